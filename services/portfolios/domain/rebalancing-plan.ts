import type { Guardrails } from "../contract/portfolio.ts";
import { Decimal, sum, timesInto, ZERO } from "./decimals.ts";
import { isOutside } from "./drift.ts";
import { type AssetKinds, limitOf } from "./guardrail-states.ts";
import { breaksGuardrail } from "./rebalancing-aims.ts";
import { afterTrades, sellableLots, type Terms, type Tradable } from "./rebalancing-assets.ts";
import { intoBand, shareOut } from "./rebalancing-goals.ts";
import { settle, tradesToward } from "./rebalancing-trades.ts";

export interface Rules {
  readonly guardrails: Guardrails;
  readonly kinds: AssetKinds;
  readonly terms: Terms;
}

/** Three or four are what it takes. */
const MAX_FEE_PASSES = 12;
/** Most often nothing is too near, or one look finds all that is. */
const MAX_FIXING_PASSES = 4;
/** Half to even. */
const MONEY_PLACES = 40;
/** What rounding a thousand goals to 40 places may add up to. */
const SMALLEST_FEE_ERROR = new Decimal("1e-36");
/** One or two are what it takes; what has not settled by then is not proposed. */
const MAX_SETTLING_PASSES = 24;

/**
 * The trades that leave nothing to trade: planned, then planned again for what they lead to, and added up, until the
 * second look finds nothing to do. So whoever carries the plan out and asks again gets no orders. `"unraisable"` where
 * the cash to take out cannot be had, `"unsettled"` where no such plan was found.
 */
export function settledPlan(
  assets: readonly Tradable[],
  rules: Rules,
): readonly Decimal[] | "unraisable" | "unsettled" {
  const { fee, minimum, cashIn, cashOut } = rules.terms;
  const cash = cashIn.minus(cashOut);
  const first = planOnce(assets, rules, cash);
  if (first === null) return "unraisable";
  let lots = first;
  for (let pass = 0; pass < MAX_SETTLING_PASSES; pass += 1) {
    const next = secondLook(assets, lots, rules, cash);
    if (next.every((change) => change.isZero())) return lots;
    lots = lots.map((change, index) => {
      const together = change.plus(next[index] ?? ZERO);
      const value = together.times((assets[index] as Tradable).lotValue);
      return value.abs().lessThan(minimum) ? ZERO : together;
    });
    if (settle(assets, lots, fee, cash).left.isNegative()) return "unsettled";
  }
  return "unsettled";
}

/** What there is to do after a plan: with the money that it leaves over, and if that is nothing, without. */
function secondLook(
  assets: readonly Tradable[],
  lots: readonly Decimal[],
  rules: Rules,
  cash: Decimal,
): readonly Decimal[] {
  const after = afterTrades(assets, lots);
  const { left } = settle(assets, lots, rules.terms.fee, cash);
  const spending = left.lessThan(rules.terms.minimum) ? null : planOnce(after, rules, left);
  if (spending?.some((change) => !change.isZero())) return spending;
  // What is left is taken out, so that whoever asks again has no cash.
  return planOnce(after, rules, ZERO) ?? lots.map(() => ZERO);
}

/** One look: nothing unless cash moves or a limit is exceeded; else the trades toward the goals. */
function planOnce(assets: readonly Tradable[], rules: Rules, cash: Decimal): Decimal[] | null {
  const nothing = assets.map(() => ZERO);
  if (cash.isZero() && isWithinLimits(assets, rules)) return nothing;
  const total = sum(assets.map(({ value }) => value)).plus(cash);
  if (total.isNegative()) return null;
  const goals = reachableGoals(assets, rules, total);
  return tradesToward(assets, goals, { minimum: rules.terms.minimum, fee: rules.terms.fee, cash });
}

function isWithinLimits(assets: readonly Tradable[], { guardrails, kinds }: Rules): boolean {
  const values = assets.map(({ value }) => value);
  const total = sum(values);
  const targets = sum(assets.map(({ target }) => target));
  const band = limitOf(guardrails, "drift_band");
  return (
    !assets.some((asset) => isOutside(asset, total, targets, band)) &&
    !breaksGuardrail(assets, values, guardrails, kinds)
  );
}

/**
 * Goals of which none is too near to be traded toward: an asset that cannot move, since the way to its goal is less than
 * a lot or than the smallest order, stays where it is, and the others take up what that leaves.
 */
function reachableGoals(assets: readonly Tradable[], rules: Rules, before: Decimal): Decimal[] {
  const isFixed = assets.map(() => false);
  let goals = goalsAfterFees(assets, rules, before, isFixed);
  for (let pass = 0; pass < MAX_FIXING_PASSES; pass += 1) {
    let hasNew = false;
    for (const [index, { value, lotValue }] of assets.entries()) {
      const gap = (goals[index] as Decimal).minus(value).abs();
      if (gap.isZero() || isFixed[index]) continue;
      if (!gap.lessThan(lotValue) && !timesInto(gap, lotValue).times(lotValue).lessThan(rules.terms.minimum))
        continue;
      isFixed[index] = true;
      hasNew = true;
    }
    if (!hasNew) break;
    goals = goalsAfterFees(assets, rules, before, isFixed);
  }
  return goals;
}

/**
 * Goals that add up to what is left after the fees of getting there: total = before − fee × Σ|goal − value|. The fees are
 * a piecewise linear function of the total, so that the secant method is exact as soon as it is on the right piece.
 */
function goalsAfterFees(
  assets: readonly Tradable[],
  rules: Rules,
  before: Decimal,
  isFixed: readonly boolean[],
): Decimal[] {
  let total = before;
  let goals = goalsFor(assets, rules, total, isFixed);
  let earlier: { total: Decimal; error: Decimal } | undefined;
  for (let pass = 0; pass < MAX_FEE_PASSES && !rules.terms.fee.isZero(); pass += 1) {
    const turnover = sum(goals.map((goal, index) => goal.minus((assets[index] as Tradable).value).abs()));
    const error = before.minus(turnover.times(rules.terms.fee)).minus(total);
    if (error.abs().lessThan(SMALLEST_FEE_ERROR)) break;
    const slope = earlier ? error.minus(earlier.error) : ZERO;
    const step =
      earlier && !slope.isZero() ? error.times(total.minus(earlier.total)).div(slope).negated() : error;
    earlier = { total, error };
    total = Decimal.min(before, Decimal.max(0, total.plus(step).toDecimalPlaces(MONEY_PLACES)));
    goals = goalsFor(assets, rules, total, isFixed);
  }
  return goals;
}

function goalsFor(
  assets: readonly Tradable[],
  { guardrails, kinds, terms }: Rules,
  total: Decimal,
  isFixed: readonly boolean[],
): Decimal[] {
  const floors = assets.map((asset, index) =>
    isFixed[index] ? asset.value : asset.value.minus(sellable(asset, terms)),
  );
  const aims = assets.map(({ aim }, index) => (isFixed[index] ? ZERO : aim));
  const shares = shareOut(aims, floors, total);
  if (terms.depth === "target") return shares;
  const goals = intoBand(assets, shares, total, limitOf(guardrails, "drift_band"));
  // Inside its band each, assets together can still be too much or too little of their kind.
  return breaksGuardrail(assets, goals, guardrails, kinds) ? shares : goals;
}

/** The value that may and can be sold of an asset: none where even all of it is less than the smallest order. */
function sellable(asset: Tradable, { buyOnly, minimum }: Terms): Decimal {
  const value = sellableLots(asset).times(asset.lotValue);
  return buyOnly || value.lessThan(minimum) ? ZERO : value;
}
