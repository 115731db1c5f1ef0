"""Celery's own crontab, asked in JSON lines: for each line on standard input one on standard output.

  {"field": .., "text": ..}            -> [numbers that the field allows], or the error as text
  {"spec": [minute, hour, day_of_week, day_of_month, month_of_year], "timezone": .., "last": .., "due": ..}
      -> [the wall time that Celery waits for after `last`, is it due at `due`?, and a second before?], or the error as text

`last` and `due` are epoch seconds. Wall times are seconds since the wall showed 1970-01-01 00:00.
"""
import json
import sys
from datetime import datetime, timedelta, timezone
from functools import cache

from celery import Celery
from celery.schedules import crontab

SIZES = {'minute': (60, 0), 'hour': (24, 0), 'day_of_week': (7, 0), 'day_of_month': (31, 1), 'month_of_year': (12, 1)}
EPOCH = datetime(1970, 1, 1)


@cache
def app_in(name):
    app = Celery('oracle', set_as_current=False)
    app.conf.update(timezone=name, enable_utc=True)
    return app


@cache
def schedule_of(spec, name):
    return crontab(*spec, app=app_in(name))


def local(instant, zone):
    return datetime.fromtimestamp(instant, timezone.utc).astimezone(zone)


def expand(field, text):
    return sorted(crontab._expand_cronspec(text, *SIZES[field]))


def ask(spec, name, last, due):
    schedule = schedule_of(tuple(spec), name)
    zone = app_in(name).timezone

    def remaining(now):
        """What `is_due` asks: it is when nothing remains."""
        schedule.nowfun = lambda: now
        return schedule.remaining_estimate(last_run_at)

    last_run_at = local(last, zone)
    waits_for = last_run_at.replace(tzinfo=None) + remaining(last_run_at) - EPOCH
    at_due, before = (remaining(local(instant, zone)) <= timedelta(0) for instant in (due, due - 1))
    return [waits_for // timedelta(seconds=1), at_due, before]


def main():
    for line in sys.stdin:
        case = json.loads(line)
        try:
            if 'field' in case:
                answer = expand(case['field'], case['text'])
            else:
                answer = ask(case['spec'], case['timezone'], case['last'], case['due'])
        except Exception as error:
            answer = '%s: %s' % (type(error).__name__, error)
        print(json.dumps(answer))


main()
