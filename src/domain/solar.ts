/**
 * When the sun rises, sets or stands highest, by the equations of NOAA's solar calculator (after Meeus, *Astronomical
 * Algorithms*): right to a few seconds for some centuries, and to a few minutes on the days next to polar day and polar
 * night, when the sun all but rolls along the horizon. What hills and weather do to it is not known here.
 */
import type { Seconds } from './event.ts';

/** Celery's names (`solar._all_events`). */
export const SOLAR_EVENTS = [
  'dawn_astronomical',
  'dawn_nautical',
  'dawn_civil',
  'sunrise',
  'solar_noon',
  'sunset',
  'dusk_civil',
  'dusk_nautical',
  'dusk_astronomical',
] as const;
export type SolarEvent = (typeof SOLAR_EVENTS)[number];

/**
 * How high the sun's centre then is, degrees. At sunrise its upper limb is seen on the horizon: 16′ of radius and 34′ of
 * refraction. Celery up to 5.6 has 18 at `dusk_astronomical`, a slip: that is an hour or two *before* sunset.
 */
const ALTITUDES: Readonly<Record<Exclude<SolarEvent, 'solar_noon'>, number>> = {
  dawn_astronomical: -18,
  dawn_nautical: -12,
  dawn_civil: -6,
  sunrise: -0.833,
  sunset: -0.833,
  dusk_civil: -6,
  dusk_nautical: -12,
  dusk_astronomical: -18,
};

const DAY = 86_400;
/** A degree that the earth turns. */
const DEGREE = 240;
/** 2000-01-01 12:00, from which the equations count centuries. */
const J2000 = 946_728_000;
const CENTURY = 36_525 * DAY;
/** Polar nights and days are shorter than a year. */
const DAYS_SEARCHED = 400;

/**
 * The first such event after an instant, to the second. Days without it, in polar night and polar day, are passed over;
 * null when the next 400 have none (Celery fires once a day then, some minutes past midnight).
 * @param latitude degrees north
 * @param longitude degrees east
 */
export function nextSolar(event: SolarEvent, latitude: number, longitude: number, after: Seconds): Seconds | null {
  // The events of a day are those around its solar noon, and may be past the midnights.
  const today = Math.floor((after + longitude * DEGREE) / DAY);
  for (let day = today - 1; day <= today + DAYS_SEARCHED; day++) {
    const instant = instantOf(event, latitude, (day + 0.5) * DAY - longitude * DEGREE);
    if (instant !== null && Math.round(instant) > after) return Math.round(instant);
  }
  return null;
}

/** @param meanNoon noon by a clock that runs evenly, at that longitude */
function instantOf(event: SolarEvent, latitude: number, meanNoon: Seconds): Seconds | null {
  const noon = meanNoon - sunAt(meanNoon).equationOfTime;
  if (event === 'solar_noon') return noon;
  const isEvening = event === 'sunset' || event.startsWith('dusk');
  const altitude = ALTITUDES[event];
  let above = noon;
  let below = isEvening ? noon + DAY / 2 : noon - DAY / 2;
  if (altitudeAt(above, latitude, meanNoon) < altitude || altitudeAt(below, latitude, meanNoon) >= altitude)
    return null;
  while (Math.abs(above - below) > 0.1) {
    const middle = (above + below) / 2;
    if (altitudeAt(middle, latitude, meanNoon) >= altitude) above = middle;
    else below = middle;
  }
  return above;
}

/** How high the sun's centre is, in degrees, were there no air. */
function altitudeAt(instant: Seconds, latitude: number, meanNoon: Seconds): number {
  const { declination, equationOfTime } = sunAt(instant);
  const hourAngle = (instant - meanNoon + equationOfTime) / DEGREE;
  const sine = sin(latitude) * sin(declination) + cos(latitude) * cos(declination) * cos(hourAngle);
  return degrees(Math.asin(Math.min(1, Math.max(-1, sine))));
}

/** Declination in degrees; the equation of time, by which the sun is ahead of an even clock, in seconds. */
function sunAt(instant: Seconds): { readonly declination: number; readonly equationOfTime: Seconds } {
  const t = (instant - J2000) / CENTURY;
  const longitude = 280.46646 + t * (36_000.76983 + t * 0.0003032);
  const anomaly = 357.52911 + t * (35_999.05029 - t * 0.0001537);
  const eccentricity = 0.016708634 - t * (0.000042037 + t * 0.0000001267);
  const centre =
    (1.914602 - t * (0.004817 + t * 0.000014)) * sin(anomaly) +
    (0.019993 - t * 0.000101) * sin(2 * anomaly) +
    0.000289 * sin(3 * anomaly);
  const node = 125.04 - 1934.136 * t;
  const apparent = longitude + centre - 0.00569 - 0.00478 * sin(node);
  const obliquity = 23.4392911 - t * 0.0130042 + 0.00256 * cos(node);
  const y = Math.tan(radians(obliquity / 2)) ** 2;
  const equationOfTime =
    y * sin(2 * longitude) -
    2 * eccentricity * sin(anomaly) +
    4 * eccentricity * y * sin(anomaly) * cos(2 * longitude) -
    0.5 * y ** 2 * sin(4 * longitude) -
    1.25 * eccentricity ** 2 * sin(2 * anomaly);
  return {
    declination: degrees(Math.asin(sin(obliquity) * sin(apparent))),
    equationOfTime: degrees(equationOfTime) * DEGREE,
  };
}

function sin(angle: number): number {
  return Math.sin(radians(angle));
}

function cos(angle: number): number {
  return Math.cos(radians(angle));
}

function radians(angle: number): number {
  return (angle * Math.PI) / 180;
}

function degrees(angle: number): number {
  return (angle * 180) / Math.PI;
}
