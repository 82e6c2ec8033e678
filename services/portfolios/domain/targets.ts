/** How far the sum of the targets may be off 100, in percentage points. */
export const SUM_TOLERANCE = 0.01;

/**
 * Whether percentages sum up to 100 ± 0.01. Compared in millionths, because 100.01 − 100 is more than 0.01 in binary.
 */
export function sumsToHundred(targets: Readonly<Record<string, number>>): boolean {
  const sum = Object.values(targets).reduce((total, percent) => total + percent, 0);
  return Math.round(Math.abs(sum - 100) * 1e6) <= SUM_TOLERANCE * 1e6;
}
