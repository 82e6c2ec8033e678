import { dayNumber } from "./dates.ts";
import { compareTexts, decimal, ONE } from "./decimals.ts";
import { type Figure, known, unknown } from "./figure.ts";
import { type DatedAmount, rootNear, rootsOf } from "./present-value.ts";
import { Inexact, returnOf } from "./returns.ts";

/** Money that the investor paid in (negative) or got back (positive); the last one is usually the value at the end. */
export interface CashFlow {
  /** `YYYY-MM-DD`. */
  readonly date: string;
  /** `null` where it is a value for which a price was missing. */
  readonly amount: string | null;
}

export type MoneyWeightedReason =
  | "missing_price"
  /** All flows go one way: no rate makes them worth nothing together. */
  | "no_change_of_sign"
  /** All flows are of one day. */
  | "no_time"
  /** Several rates solve the equation, and none is the right one. */
  | "several_rates"
  /** None from a loss of all but 10^-17 to growth by 10^17 a year, which a few days' gain may well be beyond. */
  | "no_rate";

const DAYS_PER_YEAR = 365;

/**
 * Money-weighted return: the yearly rate r with Σ amount × (1 + r)^(−days / 365) = 0 (XIRR, actual/365).
 *
 * With q = (1 + r)^(−1/365) it is a polynomial in q with whole powers of days. Its sign is searched over all rates that
 * mean anything in binary floating point, which finds each root to 15 digits; Newton's method in decimals
 * finds the others, so that no machine's `exp` decides a digit. Source: Microsoft, XIRR function; Norstrøm 1972 on uniqueness.
 */
export function moneyWeightedReturn(flows: readonly CashFlow[]): Figure<MoneyWeightedReason> {
  const amounts: DatedAmount[] = [];
  for (const { date, amount } of flows.toSorted((one, other) => compareTexts(one.date, other.date))) {
    if (amount === null) return unknown("missing_price");
    const day = dayNumber(date);
    const last = amounts.at(-1);
    if (last?.day === day) last.amount = last.amount.plus(decimal(amount));
    else amounts.push({ day, amount: decimal(amount) });
  }
  const moved = amounts.filter(({ amount }) => !amount.isZero());
  const isOneWay =
    moved.every(({ amount }) => amount.isPositive()) || moved.every(({ amount }) => amount.isNegative());
  if (flows.length > 0 && amounts.length === 1) return unknown("no_time");
  if (isOneWay) return unknown("no_change_of_sign");
  const first = moved[0]?.day ?? 0;
  const dated = moved.map(({ day, amount }) => ({ day: day - first, amount }));
  const [guess, ...others] = rootsOf(dated, DAYS_PER_YEAR);
  if (!guess) return unknown("no_rate");
  if (others.length > 0) return unknown("several_rates");
  const discount = rootNear(dated, guess) ?? guess;
  return known(returnOf(new Inexact(ONE).div(discount.pow(DAYS_PER_YEAR))));
}
