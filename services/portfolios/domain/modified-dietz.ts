import assert from "node:assert/strict";
import { Decimal, decimal, plain, sum } from "./decimals.ts";
import { type Figure, known, unknown } from "./figure.ts";
import { Inexact, RETURN_PLACES } from "./returns.ts";

export interface DietzPeriod {
  /** Values at the begin and the end, `null` where a price was missing. */
  readonly begin: string | null;
  readonly end: string | null;
  readonly days: number;
  /** Paid in (positive) or out (negative) at the end of a day, counted from the begin. */
  readonly flows: readonly { readonly day: number; readonly amount: string }[];
}

export interface DietzReturn {
  readonly return: Figure<"missing_price" | "zero_base" | "negative_base" | "no_time">;
  /** The average capital, rounded half to even to 12 places. */
  readonly average_capital: string | null;
}

/**
 * Modified Dietz: (end − begin − Σ flow) / (begin + Σ weight × flow), weight = (days − day) / days; the denominator is
 * the average capital. Multiplied by the days, so that there is one division.
 * Source: Dietz 1966; GIPS (CFA Institute), Guidance Statement on Calculation Methodology.
 */
export function modifiedDietz({ begin, end, days, flows }: DietzPeriod): DietzReturn {
  if (begin === null || end === null) return { return: unknown("missing_price"), average_capital: null };
  if (days === 0) return { return: unknown("no_time"), average_capital: null };
  assert.ok(Number.isSafeInteger(days) && days > 0, "days must be a whole number");
  const weighted = flows.map(({ day, amount }) => {
    assert.ok(
      Number.isSafeInteger(day) && day >= 0 && day <= days,
      "each flow must be on a day of the period",
    );
    return decimal(amount).times(days - day);
  });
  const capitalDays = decimal(begin).times(days).plus(sum(weighted));
  const average = plain(rounded(new Inexact(capitalDays).div(days)));
  if (capitalDays.isZero()) return { return: unknown("zero_base"), average_capital: average };
  if (capitalDays.isNegative()) return { return: unknown("negative_base"), average_capital: average };
  const gain = decimal(end)
    .minus(decimal(begin))
    .minus(sum(flows.map(({ amount }) => decimal(amount))));
  return {
    return: known(plain(rounded(new Inexact(gain).times(days).div(capitalDays)))),
    average_capital: average,
  };
}

function rounded(value: Decimal): Decimal {
  return value.toDecimalPlaces(RETURN_PLACES, Decimal.ROUND_HALF_EVEN);
}
