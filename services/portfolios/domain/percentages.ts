import assert from "node:assert/strict";
import { Decimal, HUNDRED, ONE, sum, timesInto, ZERO } from "./decimals.ts";

/** Digits behind the point of a percentage: a hundred-millionth of a point is nothing even of a billion dollars. */
const PERCENTAGE_PLACES = 8;

/**
 * The parts' percentages of their sum, which add up to exactly 100; all 0 where the sum is 0.
 *
 * Thirds have no end, so something must round: clients draw pies of these and add them up, and rounding each on its own
 * gives 99.99999999. By the largest remainder (Hamilton, 1792) each is rounded down, and the units that are missing go
 * to those that lost most, the earlier one of equals. Each is less than one unit of the last place off.
 */
export function percentages(parts: readonly Decimal[]): Decimal[] {
  const total = sum(parts);
  if (total.isZero()) return parts.map(() => ZERO);
  const unit = Decimal.pow(10, -PERCENTAGE_PLACES);
  const units = HUNDRED.div(unit);
  const shares = parts.map((part, index) => {
    assert.ok(!part.isNegative(), "parts of a whole are not negative");
    const scaled = part.times(units);
    const whole = timesInto(scaled, total);
    return { index, whole, remainder: scaled.minus(whole.times(total)) };
  });
  const missing = units.minus(sum(shares.map(({ whole }) => whole))).toNumber();
  assert.ok(missing < Math.max(1, parts.length), "rounding down loses less than one unit per part");
  const raised = new Set(
    shares
      .toSorted((one, other) => other.remainder.comparedTo(one.remainder) || one.index - other.index)
      .slice(0, missing)
      .map(({ index }) => index),
  );
  return shares.map(({ index, whole }) => (raised.has(index) ? whole.plus(ONE) : whole).times(unit));
}
