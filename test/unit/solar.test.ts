/** Where the sun is, held against an ephemeris that knows a hundred times more terms. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextSolar, SOLAR_EVENTS, type SolarEvent } from '../../src/domain/solar.ts';
import { runs } from '../support/effort.ts';

interface Row {
  readonly latitude: number;
  readonly longitude: number;
  readonly after: string;
  readonly events: Readonly<Record<SolarEvent, string>>;
}

const { rows }: { readonly rows: readonly Row[] } = JSON.parse(
  readFileSync(new URL('../fixtures/solar.json', import.meta.url), 'utf8'),
);
const epoch = (text: string): number => Date.parse(text) / 1000;

test.each(rows)('$latitude, $longitude after $after', ({ latitude, longitude, after, events }) => {
  const apart = SOLAR_EVENTS.map((event) => {
    const ours = nextSolar(event, latitude, longitude, epoch(after)) ?? Number.NaN;
    return [event, Math.abs(ours - epoch(events[event]))] as const;
  });
  // Near the polar circles the sun crosses a height slowly.
  expect(apart.filter(([, seconds]) => !(seconds <= (Math.abs(latitude) > 66 ? 60 : 15)))).toEqual([]);
});

// As printed in calendars, to the minute; times of the place.
test.each([
  ['New York', 'sunrise', 40.7128, -74.006, '2024-06-20T05:25-04:00'],
  ['New York', 'sunset', 40.7128, -74.006, '2024-06-20T20:31-04:00'],
  ['Berlin', 'sunrise', 52.52, 13.405, '2024-12-21T08:15+01:00'],
  ['Berlin', 'sunset', 52.52, 13.405, '2024-12-21T15:54+01:00'],
  ['Sydney', 'sunrise', -33.8688, 151.2093, '2024-12-21T05:41+11:00'],
  ['Sydney', 'sunset', -33.8688, 151.2093, '2024-12-21T20:05+11:00'],
] as const)('%s, %s', (_, event, latitude, longitude, expected) => {
  const due = nextSolar(event, latitude, longitude, epoch(expected) - 3600);
  expect(Math.abs((due ?? 0) - epoch(expected))).toBeLessThanOrEqual(90);
});

test('the events of a day come in their order, noon amidst, one day after the other', () => {
  const place = fc.record({
    latitude: fc.double({ min: -48, max: 48, noNaN: true }),
    longitude: fc.double({ min: -180, max: 180, noNaN: true }),
    after: fc.integer({ min: epoch('1970-01-05'), max: epoch('2100-01-01') }),
  });
  fc.assert(
    fc.property(place, ({ latitude, longitude, after }) => {
      const noon = nextSolar('solar_noon', latitude, longitude, after) as number;
      const day = SOLAR_EVENTS.map((event) => nextSolar(event, latitude, longitude, noon - 43_200) as number);
      expect(day).toEqual([...day].sort((a, b) => a - b));
      const [rise = 0, set = 0] = [day[3], day[5]];
      expect(Math.abs((rise + set) / 2 - noon)).toBeLessThan(180);
      for (const [n, event] of SOLAR_EVENTS.entries()) {
        const next = nextSolar(event, latitude, longitude, day[n] as number) as number;
        expect(Math.abs(next - (day[n] as number) - 86_400)).toBeLessThan(600);
      }
    }),
    { numRuns: runs(300) },
  );
});

test('at the equinox day and night are all but equal everywhere', () => {
  for (const latitude of [-60, -30, 0, 30, 60]) {
    const rise = nextSolar('sunrise', latitude, 0, epoch('2024-03-20')) as number;
    const set = nextSolar('sunset', latitude, 0, rise) as number;
    expect(set - rise).toBeGreaterThan(43_200);
    expect(set - rise).toBeLessThan(43_200 + 1200);
  }
});

test('days without it are passed over: the sun is up in Tromsø from May to July, and down from November to January', () => {
  const iso = (event: SolarEvent, after: string): string =>
    new Date((nextSolar(event, 69.6492, 18.9553, epoch(after)) as number) * 1000).toISOString().slice(0, 10);
  expect(iso('sunset', '2024-05-25')).toBe('2024-07-25');
  expect(iso('sunrise', '2024-12-01')).toBe('2025-01-15');
  expect(iso('solar_noon', '2024-12-01')).toBe('2024-12-01');
});

test('at the pole the sun rises once a year', () => {
  const rise = nextSolar('sunrise', 90, 0, epoch('2024-01-01')) as number;
  expect(new Date(rise * 1000).toISOString().slice(0, 7)).toBe('2024-03');
  expect(new Date((nextSolar('sunrise', 90, 0, rise) as number) * 1000).toISOString().slice(0, 7)).toBe('2025-03');
});

test('dusk is after sunset', () => {
  const after = epoch('2026-11-24');
  expect(nextSolar('dusk_astronomical', 52.52, 13.405, after)).toBeGreaterThan(
    nextSolar('sunset', 52.52, 13.405, after) as number,
  );
});
