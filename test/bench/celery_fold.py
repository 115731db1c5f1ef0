"""Folds events from standard input, one JSON object a line, with Celery's own State; prints what it took as one JSON object.

usage: celery_fold.py MAX_TASKS FILL STEADY <FILE
The first FILL lines fill the memory; STEADY lines are folded at the limit. Parsing is not timed.
"""
import json
import resource
import sys
import time
from itertools import islice

from celery.events.state import State

CHUNK = 1_000


def fold(state, lines):
    seconds, count = 0.0, 0
    while True:
        events = [json.loads(line) for line in islice(lines, CHUNK)]
        if not events:
            return count / seconds if seconds else None
        begin = time.process_time()
        for event in events:
            event['local_received'] = event['timestamp']
            state.event(event)
        seconds += time.process_time() - begin
        count += len(events)


def main():
    max_tasks, fill, steadily = map(int, sys.argv[1:])
    state = State(max_tasks_in_memory=max_tasks)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    filling = fold(state, islice(sys.stdin, fill))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    steady = fold(state, islice(sys.stdin, steadily))
    print(json.dumps({'filling': filling, 'steady': steady, 'bytes': (after - before) * 1024 / len(state.tasks.data)}))


main()
