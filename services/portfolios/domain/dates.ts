import assert from "node:assert/strict";

const MILLISECONDS_PER_DAY = 86_400_000;

/** Days from 1970-01-01 to a date `YYYY-MM-DD`. */
export function dayNumber(date: string): number {
  const milliseconds = /^\d{4}-\d{2}-\d{2}$/.test(date) ? Date.parse(`${date}T00:00:00Z`) : Number.NaN;
  assert.ok(
    !Number.isNaN(milliseconds) && new Date(milliseconds).toISOString().startsWith(date),
    `${JSON.stringify(date.slice(0, 40))} is no date of the form YYYY-MM-DD`,
  );
  return milliseconds / MILLISECONDS_PER_DAY;
}
