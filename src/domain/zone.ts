/** The clock on the wall in a zone, and when it is changed, from the zones that come with the runtime (`Intl`). */
import type { Seconds } from './event.ts';

/** A zone of the IANA database. Times on its wall are counted as seconds since the wall showed 1970-01-01 00:00. */
export interface Zone {
  /** How far ahead of UTC the wall is at an instant; seconds. */
  offsetAt(instant: Seconds): number;
  /** The first instant in (from, to] at which the clock was put forward or back; null where there is none. */
  changeIn(from: Seconds, to: Seconds): Seconds | null;
}

/** Some days of a zone. In which the clock is changed once at most: since 1970 no zone did so twice within 6.9 days. */
interface Span {
  readonly before: number;
  /** When it changes: after the start, at the end at the latest; Infinity when it does not. */
  readonly change: Seconds;
  readonly after: number;
}

const SPAN = 6 * 86_400;
/** About 67 years of a zone, and more zones than there are under one name each. */
const SPANS_KEPT = 4096;
const ZONES_KEPT = 1000;
/** No zone is further from UTC, in any year. */
const FURTHEST = 16 * 3600;

const zones = new Map<string, Zone | null>();

/** The zone of that name; null where the runtime knows none. Numbers such as `+05:30` name none. */
export function zoneOf(name: string): Zone | null {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const zone = openZone(name);
  if (zones.size >= ZONES_KEPT) zones.clear();
  zones.set(name, zone);
  return zone;
}

/**
 * The first instant at which the wall shows that time or, where the clock was put forward past it, a later one: then it is
 * the instant of the change.
 */
export function firstShowing(zone: Zone, wall: Seconds): Seconds {
  let from = wall - FURTHEST;
  for (;;) {
    const instant = wall - zone.offsetAt(from);
    const change = instant <= from ? null : zone.changeIn(from, instant);
    if (change === null) return Math.max(instant, from);
    from = change;
  }
}

/** What the wall shows, as ISO 8601 with the zone's offset: `2026-03-29T03:00:00.000+02:00`. */
export function wallTime(zone: Zone, instant: Seconds): string {
  const offset = zone.offsetAt(instant);
  const ahead = new Date(Math.abs(offset) * 1000).toISOString().slice(11, 19).replace(/:00$/, '');
  return `${new Date((instant + offset) * 1000).toISOString().slice(0, -1)}${offset < 0 ? '-' : '+'}${ahead}`;
}

function openZone(name: string): Zone | null {
  if (!/^[A-Za-z]/.test(name)) return null;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  } catch {
    return null; // a RangeError: it knows no such zone
  }
  const spans = new Map<number, Span>();

  function spanOf(n: number): Span {
    const known = spans.get(n);
    if (known) return known;
    const span = readSpan(format, n * SPAN);
    if (spans.size >= SPANS_KEPT) spans.clear();
    spans.set(n, span);
    return span;
  }

  return {
    offsetAt(instant) {
      const span = spanOf(Math.floor(instant / SPAN));
      return instant < span.change ? span.before : span.after;
    },
    changeIn(from, to) {
      for (let n = Math.floor(from / SPAN); n * SPAN <= to; n++) {
        const { change } = spanOf(n);
        if (change > from && change <= to) return change;
      }
      return null;
    },
  };
}

function readSpan(format: Intl.DateTimeFormat, start: Seconds): Span {
  const before = readOffset(format, start);
  const after = readOffset(format, start + SPAN);
  if (before === after) return { before, change: Number.POSITIVE_INFINITY, after };
  let early = start;
  let late = start + SPAN;
  while (late - early > 1) {
    const middle = Math.floor((early + late) / 2);
    if (readOffset(format, middle) === before) early = middle;
    else late = middle;
  }
  return { before, change: late, after };
}

/** `… GMT`, `… GMT+05:30`, `… GMT-00:44:30` → seconds ahead of UTC. */
function readOffset(format: Intl.DateTimeFormat, instant: Seconds): number {
  const text = format.format(instant * 1000);
  const [, sign, hours = '0', minutes = '0', seconds = '0'] =
    /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text) ?? [];
  const ahead = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return sign === '-' ? -ahead : ahead;
}
