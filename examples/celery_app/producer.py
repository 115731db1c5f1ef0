"""Publishes tasks without end: successes, failures, retries, chains, groups, chords and what else there is."""
import os
import random
import time

from celery import chain, chord, group

from tasks import add, app, fail, flaky, ignored, rejected, slow, total

PAUSE = float(os.environ.get("PAUSE", "0.5"))


def expired() -> None:
    add.apply_async((0, 0), expires=0.001, countdown=1)


def revoked() -> None:
    result = slow.apply_async((20,))
    time.sleep(1)
    result.revoke(terminate=True)


KINDS = {
    lambda: add.delay(random.randint(0, 99), random.randint(0, 99)): 40,
    lambda: fail.delay("as asked"): 5,
    lambda: flaky.delay(0.5): 10,
    lambda: slow.delay(4): 5,
    lambda: ignored.delay(): 1,
    lambda: rejected.delay(): 1,
    expired: 1,
    revoked: 1,
    lambda: chain(add.s(1, 2), add.s(3), add.s(4))(): 5,
    lambda: group(add.s(i, i) for i in range(5))(): 5,
    lambda: chord((add.s(i, i) for i in range(5)), total.s())(): 5,
}

while True:
    random.choices(list(KINDS), weights=list(KINDS.values()))[0]()
    with app.events.default_dispatcher() as dispatcher:
        dispatcher.send("producer-tick", note="an event of a group of its own")
    time.sleep(random.expovariate(1 / PAUSE))
