"""Prints the beat_schedule of a Celery app as JSON, for `celerycam periodic import -`:

    python3 beat_schedule.py proj.celery:app | celerycam periodic import -
"""

import importlib
import json
import sys
from datetime import date, datetime, timedelta

from celery.schedules import crontab, maybe_schedule, solar

CRONTAB = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")


def plain(schedule, timezone):
    """A schedule as celerycam reads it: seconds, or an object of its arguments."""
    if isinstance(schedule, crontab):
        fields = {name: getattr(schedule, f"_orig_{name}") for name in CRONTAB}
        return {name: text(value) for name, value in fields.items()} | {"timezone": timezone}
    if isinstance(schedule, solar):
        return {"event": schedule.event, "lat": schedule.lat, "lon": schedule.lon}
    return maybe_schedule(schedule).run_every.total_seconds()


def text(value):
    """A field of a crontab: text, a number, or several."""
    return ",".join(map(str, value)) if isinstance(value, (list, tuple, set)) else str(value)


def other(value):
    """What JSON does not have."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be written as JSON")


def main():
    module, _, name = sys.argv[1].partition(":")
    sys.path.insert(0, ".")
    app = getattr(importlib.import_module(module), name or "app")
    entries = {
        name: {
            "task": entry["task"],
            "schedule": plain(entry["schedule"], str(app.timezone)),
            "args": list(entry.get("args") or ()),
            "kwargs": dict(entry.get("kwargs") or {}),
            "options": dict(entry.get("options") or {}),
        }
        for name, entry in app.conf.beat_schedule.items()
    }
    json.dump(entries, sys.stdout, indent=2, default=other)


main()
