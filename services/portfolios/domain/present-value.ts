import type { Decimal } from "./decimals.ts";
import { Inexact } from "./returns.ts";

export interface DatedAmount {
  /** Whole days; the first of a list of flows has 0. */
  readonly day: number;
  amount: Decimal;
}

/** ln(1 + r) from a loss of all but 10^-17 to growth by 10^17 a year: nothing outside is a return that means anything. */
const LOWEST_LOG_RATE = -40;
const HIGHEST_LOG_RATE = 40;
/** Roots nearer to each other than a twentieth, so about 5 % of growth, are not told apart. */
const STEPS = 1_600;
/** A double has no more digits than 53 halvings of a bracket find. */
const HALVINGS = 60;
/** Each step doubles the digits that are right, from the 15 of a double on; two or three are what it takes. */
const MAX_NEWTON_STEPS = 12;
/** Below the 12 places of a return even for the 365th power. */
const DISCOUNT_ACCURACY = new Inexact("1e-40");
/** Part of the guess that the root may be off it. */
const NEAR = "0.000001";

/** Where the present value of the flows (in order of days) changes its sign, as discounts per day, to 15 digits or so. */
export function rootsOf(flows: readonly DatedAmount[], daysPerYear: number): Decimal[] {
  const scale = flows.reduce((largest, { amount }) => Inexact.max(largest, amount.abs()), new Inexact(0));
  const numbers = flows.map(({ day, amount }) => ({
    years: day / daysPerYear,
    amount: new Inexact(amount).div(scale).toNumber(),
  }));
  const roots: Decimal[] = [];
  const width = (HIGHEST_LOG_RATE - LOWEST_LOG_RATE) / STEPS;
  let before = signAt(numbers, LOWEST_LOG_RATE);
  for (let step = 1; step <= STEPS; step += 1) {
    const rate = LOWEST_LOG_RATE + step * width;
    const sign = signAt(numbers, rate);
    if (sign !== before) {
      const logRate = rootBetween(numbers, rate - width, rate);
      roots.push(new Inexact(Math.exp(-logRate / daysPerYear)));
    }
    before = sign;
  }
  return roots;
}

/**
 * The root near a guess that is right to some 15 digits, by Newton's method in decimals. `null` where it does not settle
 * near the guess: the root is a double one, and the guess as good as it gets.
 */
export function rootNear(flows: readonly DatedAmount[], guess: Decimal): Decimal | null {
  let discount = guess;
  for (let step = 0; step < MAX_NEWTON_STEPS; step += 1) {
    const { value, slope } = presentValue(flows, discount);
    if (value.isZero()) return discount;
    if (slope.isZero()) return null;
    const move = value.div(slope);
    discount = discount.minus(move);
    if (discount.minus(guess).abs().greaterThan(guess.times(NEAR))) return null;
    if (move.abs().lessThan(DISCOUNT_ACCURACY)) return discount;
  }
  return null;
}

/** Σ amount × discount^day and its derivative by the discount, by Horner's scheme from the last flow back. */
function presentValue(flows: readonly DatedAmount[], discount: Decimal): { value: Decimal; slope: Decimal } {
  let value = new Inexact(0);
  let slope = new Inexact(0);
  let later: number | undefined;
  for (const { day, amount } of flows.toReversed()) {
    const days = (later ?? day) - day;
    if (days > 0) {
      const before = discount.pow(days - 1);
      const power = before.times(discount);
      slope = slope.times(power).plus(value.times(before).times(days));
      value = value.times(power);
    }
    value = value.plus(amount);
    later = day;
  }
  return { value, slope };
}

/** The sign of the present value at a log rate, with the largest discount taken out so that nothing overflows. */
function signAt(flows: readonly { years: number; amount: number }[], logRate: number): boolean {
  const most = Math.max(-logRate * (flows[0]?.years ?? 0), -logRate * (flows.at(-1)?.years ?? 0));
  let value = 0;
  for (const { years, amount } of flows) value += amount * Math.exp(-logRate * years - most);
  return value > 0;
}

function rootBetween(flows: readonly { years: number; amount: number }[], from: number, to: number): number {
  let low = from;
  let high = to;
  const atLow = signAt(flows, low);
  for (let halving = 0; halving < HALVINGS; halving += 1) {
    const middle = (low + high) / 2;
    if (signAt(flows, middle) === atLow) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
