"""Folds streams of events with Celery's own receiver and State, and prints the records: the oracle of the parity tests.

Reads one JSON object a line: {"events": [[event, local_received], ...], "localize": bool}
Prints one JSON object a line: the state after the stream.

An event that makes Celery raise has what effect it had until then, and the next one is folded. The time is UTC.
"""
import json
import logging
import os
import sys
import time

os.environ['TZ'] = 'UTC'
time.tzset()
logging.disable(logging.CRITICAL)

from celery.events.receiver import EventReceiver
from celery.events.state import State, Worker
from kombu.clocks import LamportClock

TASK_FIELDS = (
    'uuid', 'name', 'state', 'sent', 'received', 'started', 'succeeded', 'failed', 'retried', 'revoked', 'rejected',
    'args', 'kwargs', 'result', 'exception', 'traceback', 'eta', 'expires', 'retries', 'runtime', 'timestamp', 'clock',
    'exchange', 'routing_key', 'root_id', 'parent_id', 'client',
)
WORKER_FIELDS = (
    'hostname', 'pid', 'freq', 'heartbeats', 'clock', 'active', 'processed', 'loadavg', 'sw_ident', 'sw_ver', 'sw_sys',
)
#: What a task object holds that no event said.
INTERNAL = {'cluster_state', 'children', '_serializer_handlers', 'worker', 'parent', 'root'}


class Receiver(EventReceiver):
    """Only what event_from_message needs: no broker."""

    def __init__(self):
        self.clock = LamportClock()
        self.adjust_clock = self.clock.adjust
        self.forward_clock = self.clock.forward


def in_order(uuids):
    return sorted(uuids, key=json.dumps)


def known(uuid, tasks):
    """The uuid when it names a task in memory. It may be anything, a list too."""
    try:
        return uuid if uuid and uuid in tasks else None
    except TypeError:
        return None


def dump_task(task, state):
    tasks = state.tasks.data
    return {
        **{field: getattr(task, field) for field in TASK_FIELDS},
        'worker': task.worker.hostname if isinstance(task.worker, Worker) else task.worker,
        'children': in_order(child.uuid for child in task.children),
        'parent': known(task.parent_id, tasks),
        'root': known(task.root_id, tasks),
        'ready': isinstance(task.state, str) and task.ready,
        'extra': {key: value for key, value in vars(task).items() if key not in INTERNAL and key not in TASK_FIELDS},
    }


def dump_worker(worker):
    return {
        **{field: getattr(worker, field) for field in WORKER_FIELDS},
        'extra': {key: value for key, value in vars(worker).items() if key not in WORKER_FIELDS and key != 'event'},
    }


def fold(events, localize):
    state, receiver, errors = State(), Receiver(), []
    for event, local_received in events:
        try:
            _, event = receiver.event_from_message(event, localize=localize, now=lambda: local_received)
            state.event(event)
            errors.append(None)
        except Exception as exc:
            errors.append(type(exc).__name__)
    tasks = state.tasks.data.values()
    return {
        'event_count': state.event_count,
        'task_count': state.task_count,
        'receiver_clock': receiver.clock.value,
        'task_types': sorted(name for name in state._seen_types if isinstance(name, str)),
        'tasks': [dump_task(task, state) for task in tasks],
        'tasks_by_time': [uuid for uuid, _ in state.tasks_by_time()],
        'workers': [dump_worker(worker) for worker in state.workers.data.values()],
        'waiting': [[uuid, in_order(task.uuid for task in children)]
                    for uuid, children in state._tasks_to_resolve.items() if children],
        'errors': errors,
    }


for line in sys.stdin:
    stream = json.loads(line)
    print(json.dumps(fold(stream['events'], stream['localize'])), flush=True)
