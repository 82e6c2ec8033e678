import type { Guardrails } from "../contract/portfolio.ts";
import { canonicalInputs } from "./canonical-inputs.ts";
import { compareTexts, type Decimal, plain, sum, ZERO } from "./decimals.ts";
import type { AssetKinds } from "./guardrail-states.ts";
import type { Position } from "./positions.ts";
import { withAims } from "./rebalancing-aims.ts";
import { afterTrades, type Constraints, type Tradable, termsOf, tradables } from "./rebalancing-assets.ts";
import { type Outcome, outcomeOf } from "./rebalancing-outcome.ts";
import { settledPlan } from "./rebalancing-plan.ts";
import { settle } from "./rebalancing-trades.ts";

export interface RebalancingInput {
  readonly positions: readonly Position[];
  readonly guardrails: Guardrails;
  readonly kinds: AssetKinds;
  readonly constraints: Constraints;
  /** RFC 3339. */
  readonly now: string;
  readonly valid_for_seconds: number;
}

export interface Order {
  readonly action: "buy" | "sell";
  readonly asset: string;
  readonly asset_id?: string;
  readonly quantity: string;
  readonly estimated_price: string;
  /** quantity × price, exactly. */
  readonly estimated_value_usd: string;
}

/** Why there are no orders though they were asked for. */
export type Refusal =
  | "no_targets"
  | "no_value"
  /** An asset with a target above 0 has no price, or one of 0. */
  | "missing_price"
  | "buy_only_cannot_raise_cash"
  | "cash_out_exceeds_available"
  /** Every plan that was found would lead to another one. */
  | "no_stable_plan";

export interface Money {
  readonly sells_usd: string;
  readonly buys_usd: string;
  readonly fees_usd: string;
  readonly cash_added_usd: string;
  /** What was asked for, and the remainder. */
  readonly cash_out_usd: string;
  /** What whole lots and smallest orders leave over. */
  readonly remainder_usd: string;
}

export interface Rebalancing extends Money, Outcome {
  readonly reason: Refusal | null;
  /** Sells first, as they pay for the buys; each by value, highest first. */
  readonly orders: readonly Order[];
  /** Something that is held has no price and was left out. */
  readonly incomplete: boolean;
  /** What is held or targeted and has no price, or one of 0, so that it cannot be traded. */
  readonly untradable: readonly string[];
  /** The oldest of the prices that it stands on; `null` where it stands on none. */
  readonly price_as_of: string | null;
  readonly expires_at: string;
  /** What was computed with, in a form that equal inputs share; the caller hashes it. */
  readonly canonical_inputs: string;
}

/**
 * The orders that take a portfolio to its targets. Nothing happens until a weight is outside its band, a guardrail is
 * exceeded, or cash is to be added or taken out. Then:
 * sells + cash added = buys + fees + cash out, exactly; no more is sold than is available; each order is whole lots and
 * at least the smallest trade; each weight ends within its band, or the reason is given; the order of the inputs does not
 * matter; and computed again after the orders were carried out it gives none.
 */
export function rebalance(input: RebalancingInput): Rebalancing {
  const { positions, guardrails, kinds, constraints } = input;
  const terms = termsOf(constraints, guardrails);
  const sorted = positions.toSorted((one, other) => compareTexts(one.key, other.key));
  const { assets, conflicts } = withAims(tradables(sorted, constraints), guardrails, kinds);
  const rules = { guardrails, kinds, terms };
  const cash = terms.cashIn.minus(terms.cashOut);
  const plan = refusalBefore(sorted, assets, cash, terms.buyOnly) ?? settledPlan(assets, rules);
  const isRefused = typeof plan === "string";
  const lots = isRefused ? assets.map(() => ZERO) : plan;
  const after = afterTrades(assets, lots);
  const settled = settle(assets, lots, terms.fee, cash);
  return {
    reason: isRefused ? refusalOf(plan) : null,
    orders: ordersOf(assets, lots),
    sells_usd: plain(settled.sells),
    buys_usd: plain(settled.buys),
    fees_usd: plain(settled.fees),
    cash_added_usd: isRefused ? "0" : plain(terms.cashIn),
    cash_out_usd: isRefused ? "0" : plain(terms.cashOut.plus(settled.left)),
    remainder_usd: isRefused ? "0" : plain(settled.left),
    ...outcomeOf({ before: assets, after, lots, rules, conflicts, isRefused }),
    incomplete: sorted.some(({ value, quantity }) => value === null && !quantity.isZero()),
    untradable: sorted.filter(({ price }) => price === null).map(({ asset }) => asset),
    price_as_of: oldestPriceTime(sorted),
    expires_at: new Date(Date.parse(input.now) + input.valid_for_seconds * 1000).toISOString(),
    canonical_inputs: canonicalInputs(sorted, assets, terms, guardrails, kinds),
  };
}

function refusalBefore(
  positions: readonly Position[],
  assets: readonly Tradable[],
  cash: Decimal,
  buyOnly: boolean,
): Refusal | null {
  const targeted = positions.filter(({ target }) => !target.isZero());
  if (targeted.length === 0) return "no_targets";
  if (targeted.some(({ price }) => price === null)) return "missing_price";
  if (buyOnly && cash.isNegative()) return "buy_only_cannot_raise_cash";
  const total = sum(assets.map(({ value }) => value));
  if (total.isZero() && cash.isZero()) return "no_value";
  return total.plus(cash).isNegative() ? "cash_out_exceeds_available" : null;
}

function refusalOf(plan: Refusal | "unraisable" | "unsettled"): Refusal {
  if (plan === "unraisable") return "cash_out_exceeds_available";
  return plan === "unsettled" ? "no_stable_plan" : plan;
}

function ordersOf(assets: readonly Tradable[], lots: readonly Decimal[]): Order[] {
  const drafts = assets.flatMap((asset, index) => {
    const count = lots[index] ?? ZERO;
    return count.isZero() ? [] : [{ asset, count, value: count.abs().times(asset.lotValue) }];
  });
  drafts.sort(
    (one, other) =>
      Number(one.count.isPositive()) - Number(other.count.isPositive()) ||
      other.value.comparedTo(one.value) ||
      compareTexts(one.asset.asset, other.asset.asset),
  );
  return drafts.map(({ asset: { asset, asset_id, lot, price }, count, value }) => ({
    action: count.isPositive() ? "buy" : "sell",
    asset,
    ...(asset_id === undefined ? {} : { asset_id }),
    quantity: plain(count.abs().times(lot)),
    estimated_price: plain(price),
    estimated_value_usd: plain(value),
  }));
}

/** All prices count, not only those of the orders: each is part of the total, and so of every weight. */
function oldestPriceTime(positions: readonly Position[]): string | null {
  const times = positions.flatMap(({ price_as_of }) => (price_as_of === null ? [] : [price_as_of]));
  return times.sort(compareTexts)[0] ?? null;
}
