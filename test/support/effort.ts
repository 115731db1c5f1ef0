/** How hard property tests try. `npm run check` asks for a twentieth, to be quick; `npm test` for all. */
const EFFORT = Number(process.env['CELERYCAM_EFFORT'] ?? 1);

/** Of so many runs, those that are asked for: at least one. */
export function runs(all: number): number {
  return Math.max(1, Math.ceil(all * EFFORT));
}
