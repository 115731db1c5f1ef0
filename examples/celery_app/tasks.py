"""A small Celery app whose tasks end in every way that a task can."""
import os
import random
import time

from celery import Celery, Task
from celery.exceptions import Ignore, Reject

# Chords need a result backend; a directory that all workers share is the smallest one.
RESULTS = os.environ.get("RESULTS_DIR", "/tmp/celery-results")
os.makedirs(RESULTS, exist_ok=True)

app = Celery(
    "tasks",
    broker=os.environ.get("CELERY_BROKER_URL", "amqp://guest:guest@localhost:5672//"),
    backend=f"file://{RESULTS}",
)
app.conf.update(
    task_send_sent_event=True,  # events when a task is published: PENDING tasks become visible
    worker_send_task_events=True,  # the same as `celery worker -E`
    result_expires=300,
    broker_connection_retry_on_startup=True,
)


@app.task
def add(x: int, y: int) -> int:
    time.sleep(random.uniform(0.01, 0.2))
    return x + y


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task
def fail(reason: str) -> None:
    raise ValueError(reason)


@app.task(bind=True, max_retries=3)
def flaky(self: Task, chance: float) -> str:
    if random.random() > chance:
        raise self.retry(countdown=1, exc=ConnectionError("the other side hung up"))
    return f"worked after {self.request.retries} retries"


@app.task(bind=True)
def slow(self: Task, steps: int) -> int:
    for step in range(steps):
        time.sleep(0.5)
        # A custom event: the task shows as PROGRESS.
        self.send_event("task-progress", step=step + 1, steps=steps)
    return steps


@app.task
def ignored() -> None:
    raise Ignore()


@app.task(acks_late=True)
def rejected() -> None:
    raise Reject("not for me", requeue=False)
