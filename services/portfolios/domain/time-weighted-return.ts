import { amount, type Decimal, decimal } from "./decimals.ts";
import { type Figure, known, unknown } from "./figure.ts";
import { Inexact, returnOf } from "./returns.ts";

/** A stretch between two valuations. A value is `null` where a price was missing. */
export interface ReturnPeriod {
  readonly begin: string | null;
  /** Paid in right after the first valuation; negative for paid out. `"0"` unless given. */
  readonly inflow_at_start?: string;
  /** Paid out right before the last valuation. `"0"` unless given. */
  readonly outflow_at_end?: string;
  readonly end: string | null;
}

export type TimeWeightedReason =
  | "no_periods"
  | "missing_price"
  /** A period begins with nothing invested, so that its return is undefined. */
  | "zero_base"
  /** More was paid out at the start than there was. */
  | "negative_base"
  /** Annualising needs a length above 0. */
  | "no_time";

/**
 * Time-weighted return by chain linking: Π (end + outflow) / (begin + inflow) − 1, with `years` as the yearly rate
 * (1 + R)^(1 / years) − 1. Independent of when money came and went.
 * Source: GIPS (CFA Institute), true time-weighted return; Portfolio Performance, "Time-weighted".
 */
export function timeWeightedReturn(
  periods: readonly ReturnPeriod[],
  years?: string,
): Figure<TimeWeightedReason> {
  if (periods.length === 0) return unknown("no_periods");
  const factor = periods.reduce<Growth>(linked, new Inexact(1));
  if (typeof factor === "string") return unknown(factor);
  if (years === undefined) return known(returnOf(factor));
  const length = amount(years, "years");
  if (length.isZero()) return unknown("no_time");
  return known(returnOf(factor.pow(new Inexact(1).div(length))));
}

/** The cumulative return up to the end of each period; from the first that cannot be computed on, none can. */
export function cumulativeReturns(periods: readonly ReturnPeriod[]): Figure<TimeWeightedReason>[] {
  let factor: Growth = new Inexact(1);
  return periods.map((period) => {
    factor = linked(factor, period);
    return typeof factor === "string" ? unknown(factor) : known(returnOf(factor));
  });
}

/** A growth factor, or why there is none. */
type Growth = Decimal | TimeWeightedReason;

function linked(factor: Growth, period: ReturnPeriod): Growth {
  if (typeof factor === "string") return factor;
  const { begin, end, inflow_at_start = "0", outflow_at_end = "0" } = period;
  if (begin === null || end === null) return "missing_price";
  const base = decimal(begin).plus(decimal(inflow_at_start));
  if (base.isZero()) return "zero_base";
  if (base.isNegative()) return "negative_base";
  return factor.times(decimal(end).plus(decimal(outflow_at_end))).div(base);
}
