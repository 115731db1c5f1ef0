"""The Celery app of the integration tests: one task for each way to end."""
import datetime
import json
import os
import time

from celery import Celery, Task
from celery.exceptions import Ignore, Reject

app = Celery("app", broker=os.environ["BROKER_URL"], backend=f"file://{os.environ['RESULTS_DIR']}")
app.conf.update(task_send_sent_event=True, task_track_started=True, worker_hijack_root_logger=False)
app.conf.update(json.loads(os.environ.get("CELERY_CONF", "{}")))


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail(reason, *, loud=False):
    raise ValueError(reason)


@app.task(bind=True)
def second_try(self: Task):
    if self.request.retries == 0:
        raise self.retry(countdown=0.1, exc=ConnectionError("not yet"))
    return "at last"


@app.task
def sleep(seconds):
    time.sleep(seconds)


@app.task(acks_late=True)
def reject():
    raise Reject("not for me", requeue=False)


@app.task
def ignore():
    raise Ignore()


@app.task(bind=True)
def progress(self: Task):
    self.send_event("task-progress", percent=50)
    return "done"


class Order:
    """More than data."""

    def __init__(self, secret):
        self.secret = secret


@app.task
def give():
    at = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.timezone.utc)
    return {"at": at, "big": 2**70, "pair": (1, 2), "set": {7}, "bytes": b"hi", "order": Order("s3cret"), "long": "x" * 5000}


@app.task
def give_text(length):
    return "x" * length


@app.task(bind=True)
def request(self: Task):
    request = self.request
    # Where headers of one's own are found depends on the version.
    own = {**vars(request), **(request.headers or {})}
    return {
        "expires": request.expires,
        "priority": request.delivery_info["priority"],
        "queue": request.delivery_info["routing_key"],
        "tenant": own["tenant"],
        "periodic_task_name": own["periodic_task_name"],
    }
