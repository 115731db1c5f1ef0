#!/usr/bin/python3
"""Drains a queue with Celery's own event receiver and State: the yardstick of the drain benchmark.

usage: celery_drain.py BROKER_URL QUEUE EVENTS
Prints one JSON object: events, seconds (first delivery to last), rss_mb. Records nothing anywhere.
"""
import json
import logging
import resource
import sys
import time

from celery.events.receiver import EventReceiver
from celery.events.state import State
from kombu import Connection, Consumer, Queue
from kombu.clocks import LamportClock

logging.disable(logging.CRITICAL)


class Receiver(EventReceiver):
    """Only what event_from_message needs: the queue is given, not declared."""

    def __init__(self):
        self.clock = LamportClock()
        self.adjust_clock = self.clock.adjust
        self.forward_clock = self.clock.forward


def main():
    url, queue, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
    receiver, state = Receiver(), State()
    seen = {'events': 0, 'first': None}

    def on_message(body, message):
        if seen['first'] is None:
            seen['first'] = time.perf_counter()
        for event in body if isinstance(body, list) else [body]:
            _, event = receiver.event_from_message(event)
            state.event(event)
            seen['events'] += 1

    with Connection(url) as connection:
        with Consumer(connection, queues=[Queue(queue, no_declare=True)], callbacks=[on_message], accept=['json'],
                      no_ack=True, auto_declare=False):
            while seen['events'] < wanted:
                connection.drain_events(timeout=30)
    seconds = time.perf_counter() - seen['first']
    json.dump({'events': seen['events'], 'seconds': seconds,
               'rss_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}, sys.stdout)


if __name__ == '__main__':
    main()
