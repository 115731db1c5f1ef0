"""Prints values as Python pickles them, in every protocol, with their repr: one JSON object a line. With `-` reads pickles in
base64 from standard input instead, and prints the repr of what each holds."""
import base64
import datetime
import decimal
import json
import math
import pickle
import random
import sys
import uuid
import zoneinfo

# No two surrogates make a pair: JavaScript cannot tell those from the character that they mean.
TEXTS = "ab'\"\\\n\r\t\x00\x7f\xa0\xad\xe9\u200b\u2028\u3000\udfff\ufeff\U0001f600\U0010ffff _"
EXCEPTIONS = (ValueError, KeyError, RuntimeError, ZeroDivisionError, StopIteration, KeyboardInterrupt, UserWarning)


def text(rng):
    return "".join(rng.choice(TEXTS) for _ in range(rng.choice((0, 1, 3, 8, 300))))


def integer(rng):
    bits = rng.choice((1, 7, 8, 15, 16, 31, 32, 53, 54, 63, 64, 65, 200, 2100))
    return rng.choice((-1, 1)) * rng.getrandbits(bits)


def real(rng):
    return rng.choice(
        (0.0, -0.0, 1.0, 1e16, 1e15, 123456789012345680.0, 1e-4, 1e-5, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan)
        + (rng.random(), rng.uniform(-1e6, 1e6), rng.gauss(0, 1) * 10 ** rng.randint(-320, 307))
    )


def zone(rng):
    offset = datetime.timedelta(seconds=rng.choice((0, 3600, -3600, 5400, -12345)), microseconds=rng.choice((0, 0, 5)))
    return rng.choice((None, datetime.timezone.utc, datetime.timezone(offset), zoneinfo.ZoneInfo("Europe/Berlin")))


def moment(rng):
    time = datetime.time(
        rng.randint(0, 23), rng.choice((0, 59)), rng.choice((0, 7)), rng.choice((0, 1, 999999)), fold=rng.randint(0, 1)
    )
    day = datetime.date(rng.choice((1, 1970, 2026, 9999)), rng.randint(1, 12), rng.randint(1, 28))
    delta = datetime.timedelta(days=rng.choice((0, 1, -1, 400)), seconds=rng.choice((0, 5)), microseconds=rng.choice((0, 6)))
    at = datetime.datetime.combine(day, time, zone(rng))
    return rng.choice((day, delta, at, time.replace(tzinfo=rng.choice((None, datetime.timezone.utc)))))


def scalar(rng):
    return rng.choice(
        (
            lambda: rng.choice((None, True, False)),
            lambda: integer(rng),
            lambda: real(rng),
            lambda: text(rng),
            lambda: rng.randbytes(rng.choice((0, 1, 5, 300))),
            lambda: bytearray(rng.randbytes(rng.choice((0, 1, 5)))),
            lambda: moment(rng),
            lambda: uuid.UUID(int=rng.getrandbits(128)),
            lambda: decimal.Decimal(rng.choice(("0", "-1.50", "1E+3", "NaN", "-Infinity", str(integer(rng))[:900]))),
            lambda: complex(rng.choice((0.0, 1.0, -2.5)), rng.choice((0.0, 1.0, -2.5, 1e20))),
        )
    )()


def key(rng):
    return rng.choice((lambda: text(rng), lambda: integer(rng), lambda: (integer(rng), text(rng)), lambda: moment(rng)))()


def value(rng, depth=0):
    if depth > 4 or rng.random() < 0.4:
        return scalar(rng)
    parts = [value(rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 3, 5)))]
    shared = rng.choice(parts) if parts else None
    return rng.choice(
        (
            lambda: parts,
            lambda: tuple(parts),
            lambda: [parts, parts, shared],
            lambda: {key(rng): part for part in parts},
            lambda: {key(rng) for _ in parts},
            lambda: frozenset(key(rng) for _ in parts),
            lambda: rng.choice(EXCEPTIONS)(*(scalar(rng) for _ in parts)),
            lambda: [n for n in range(rng.choice((0, 1, 1001)))],
        )
    )()


def usual(rng):
    """Without what protocols before 4 lose."""
    while True:
        made = value(rng)
        if "fold=1" not in repr(made):
            return made


if sys.argv[1] == "-":
    for line in sys.stdin:
        print(json.dumps(repr(pickle.loads(base64.b64decode(line)))))
else:
    rng = random.Random(int(sys.argv[1]))
    for n in range(int(sys.argv[2])):
        made = value(rng) if n % 2 else usual(rng)
        for protocol in range(0 if n % 2 == 0 else 4, 6):
            pickled = base64.b64encode(pickle.dumps(made, protocol)).decode()
            print(json.dumps({"protocol": protocol, "pickle": pickled, "repr": repr(made)}))
