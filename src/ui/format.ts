/** Numbers, lengths of time, moments and foreign text as the dashboard writes them. Pure. */
export { visible, visibleLines } from '../domain/visible.ts';

const COUNT = new Intl.NumberFormat('en');

/** `12,345`; what is not known is a dash. */
export function count(n: number | null | undefined): string {
  return n === null || n === undefined ? '–' : COUNT.format(n);
}

/** `1 gap`, `1,234 gaps`. */
export function plural(n: number, one: string): string {
  return `${count(n)} ${n === 1 ? one : `${one}s`}`;
}

/** `0.4 ms`, `12 ms`, `1.24 s`, `2 m 03 s`, `3 h 04 m`, `2 d 3 h`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 0) return `-${duration(-seconds)}`;
  if (seconds < 0.001) return seconds === 0 ? '0 s' : `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(seconds < 9.995 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  const [days, hours] = [Math.floor(whole / 86_400), Math.floor((whole % 86_400) / 3600)];
  const minutes = Math.floor((whole % 3600) / 60);
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${two(minutes)} m`;
  return `${minutes} m ${two(whole % 60)} s`;
}

/** In whole seconds and more. */
export function wholeDuration(seconds: number): string {
  return duration(Math.floor(seconds)).replace(/\.0+ s/, ' s');
}

/** How long ago, in whole seconds and more. */
export function ago(seconds: number): string {
  return seconds < 1 ? 'now' : `${wholeDuration(seconds)} ago`;
}

/** `0.4 %`. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined) return '–';
  const value = share * 100;
  return `${value === 0 || value === 100 ? value : value < 10 || value > 99 ? value.toFixed(1) : Math.round(value)} %`;
}

/** Time of day where the reader is, to the second: `03:12:07`. @param time epoch seconds */
export function clock(time: number): string {
  const date = new Date(time * 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `2026-11-24 03:12:07`, where the reader is. */
export function dateTime(time: number): string {
  return `${day(time)} ${clock(time)}`;
}

/** `2026-11-24`, where the reader is. */
export function day(time: number): string {
  const date = new Date(time * 1000);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The same moment for machines, and for who hovers. */
export function iso(time: number): string {
  const date = new Date(time * 1000);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
}

function two(n: number): string {
  return String(n).padStart(2, '0');
}

/** A long text with its middle left out; of names the end tells most. */
export function middle(text: string, most: number): string {
  const signs = Array.from(text);
  if (signs.length <= most) return text;
  const tail = Math.ceil(most * 0.6);
  return `${signs.slice(0, most - tail - 1).join('')}…${signs.slice(-tail).join('')}`;
}
