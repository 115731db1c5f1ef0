"""Folds events from a file, one JSON object a line, with Celery's own State, a turn at a time.

usage: celery_fold.py FILE MAX_TASKS FILL
The first 1,000 lines are folded elsewhere, so that the memory that parsing takes is there before a task's is measured;
FILL lines fill the memory. Then it prints what that took and the bytes of a task, as `fold-ours.ts` says. For each
number that comes from standard input, a line each, it folds as many seconds at the limit and prints what that took.
Reading and parsing are not timed.
"""
import json
import os
import sys
import time
from itertools import islice

from celery.events.state import State

PIECE = 1_000


def fold(state, lines, most_events, most_seconds):
    events, seconds = 0, 0.0
    while events < most_events and seconds < most_seconds:
        piece = [json.loads(line) for line in islice(lines, min(PIECE, most_events - events))]
        if not piece:
            raise EOFError('the file has too few events')
        begin = time.process_time()
        for event in piece:
            event['local_received'] = event['timestamp']
            state.event(event)
        seconds += time.process_time() - begin
        events += len(piece)
    return {'events': events, 'seconds': seconds}


def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def main():
    max_tasks, fill = map(int, sys.argv[2:])
    with open(sys.argv[1]) as lines:
        fold(State(), lines, PIECE, float('inf'))
        state = State(max_tasks_in_memory=max_tasks)
        before = resident()
        filling = fold(state, lines, fill, float('inf'))
        print(json.dumps({**filling, 'bytes': (resident() - before) / len(state.tasks.data)}), flush=True)
        for seconds in sys.stdin:
            print(json.dumps(fold(state, lines, float('inf'), float(seconds))), flush=True)


main()
