"""Publishes one task of each kind, waits until all have ended, and prints their ids as JSON."""
import json
import time

from celery import chain, chord, group

from app import add, app, fail, ignore, progress, reject, second_try, sleep, total

ids = {}


def until(condition):
    while not condition():
        time.sleep(0.02)


success = add.delay(2, y=3)
failure = fail.delay("no good", loud=True)
retry = second_try.delay()
rejected = reject.delay()
ignored = ignore.delay()
custom = progress.delay()
chained = chain(add.s(1, 2), add.s(10))()
grouped = group(add.s(i, i) for i in range(3))()
chorded = chord((add.s(i, 1) for i in range(2)), total.s())()

# Revoked while it runs, and revoked before it starts.
running = sleep.delay(600)
until(lambda: running.state == "STARTED")
running.revoke(terminate=True)
waiting = add.apply_async((0, 0), countdown=1)
app.control.revoke(waiting.id)

for result in (success, retry, custom, chained, *grouped, chorded):
    result.get(timeout=60)
until(failure.ready)
until(running.ready)
until(waiting.ready)

with app.events.default_dispatcher() as dispatcher:
    dispatcher.send("custom-thing", answer=42)

print(
    json.dumps(
        {
            "success": success.id,
            "failure": failure.id,
            "retry": retry.id,
            "rejected": rejected.id,
            "ignored": ignored.id,
            "custom": custom.id,
            "chain": [chained.parent.id, chained.id],
            "group": [result.id for result in grouped],
            "chord": {"header": [result.id for result in chorded.parent], "body": chorded.id},
            "running": running.id,
            "waiting": waiting.id,
        }
    )
)
