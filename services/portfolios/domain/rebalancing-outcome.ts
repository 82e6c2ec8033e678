import { Decimal, plain, quotientDown, sum, ZERO } from "./decimals.ts";
import { isOutside } from "./drift.ts";
import { type GroupGuardrailName, type GuardrailState, groupStates, limitOf } from "./guardrail-states.ts";
import { percentages } from "./percentages.ts";
import { sellableLots, type Tradable } from "./rebalancing-assets.ts";
import type { Rules } from "./rebalancing-plan.ts";
import { SUM_TOLERANCE } from "./targets.ts";

/** Why a weight, or a guardrail, is not where it should be after the orders. */
export type Shortfall =
  /** Nothing may be sold. */
  | "buy_only"
  /** What is above the band is frozen. */
  | "not_available"
  | "lot_size"
  | "minimum_trade"
  /** The guardrails, which stand above targets, ask for something else. */
  | "guardrail"
  /** Targets and guardrail exclude each other. */
  | "guardrail_conflict"
  /** The assets on the other side cannot be bought, so that selling would only make cash. */
  | "nothing_to_buy"
  /** The assets on the other side cannot be sold. */
  | "no_cash"
  /** Weights are not where they should be for reasons of their own, and this follows from them. */
  | "follows_from_others";

export interface WeightAfter {
  readonly asset: string;
  readonly asset_id?: string;
  readonly target_pct: string;
  readonly before_pct: string;
  readonly after_pct: string;
  readonly within_band: boolean;
  readonly reason: Shortfall | null;
}

export interface GuardrailAfter extends GuardrailState {
  readonly reason: Shortfall | null;
}

/** What the orders change. No forecast: what they cost, and how much of the portfolio is where it should not be. */
export interface Impact {
  readonly turnover_usd: string;
  readonly fees_usd: string;
  /** The largest difference from a target, in percentage points. */
  readonly largest_drift_before_pct: string;
  readonly largest_drift_after_pct: string;
  /** Half the sum of all differences from the targets: the value that would have to change hands. */
  readonly misallocated_before_usd: string;
  readonly misallocated_after_usd: string;
}

export interface Outcome {
  readonly weights: readonly WeightAfter[];
  readonly guardrails: readonly GuardrailAfter[];
  readonly impact: Impact;
}

interface Result {
  readonly before: readonly Tradable[];
  readonly after: readonly Tradable[];
  readonly lots: readonly Decimal[];
  readonly rules: Rules;
  readonly conflicts: readonly GroupGuardrailName[];
  /** There is one reason for all, so that none of its own is given. */
  readonly isRefused: boolean;
}

const USD_PLACES = 8;

/** What a portfolio looks like after the trades, against its targets. */
export function outcomeOf({ before, after, lots, rules, conflicts, isRefused }: Result): Outcome {
  const { guardrails, kinds, terms } = rules;
  const total = sum(after.map(({ value }) => value));
  const targetTotal = sum(after.map(({ target }) => target));
  const band = limitOf(guardrails, "drift_band");
  const weightsBefore = percentages(before.map(({ value }) => value));
  const weightsAfter = percentages(after.map(({ value }) => value));
  const targets = percentages(after.map(({ target }) => target));
  const turnover = sum(lots.map((count, index) => count.abs().times((after[index] as Tradable).lotValue)));
  return {
    weights: after.map((asset, index) => {
      const isWithin = total.isZero() || targetTotal.isZero() || !isOutside(asset, total, targetTotal, band);
      return {
        asset: asset.asset,
        ...(asset.asset_id === undefined ? {} : { asset_id: asset.asset_id }),
        target_pct: plain(targets[index] as Decimal),
        before_pct: plain(weightsBefore[index] as Decimal),
        after_pct: plain(weightsAfter[index] as Decimal),
        within_band: isWithin,
        reason: isWithin || isRefused ? null : shortfallOf(asset, total, targetTotal, rules),
      };
    }),
    guardrails: groupStates(after, guardrails, kinds).map((state) => ({
      ...state,
      reason: state.breached && !isRefused ? guardrailShortfall(state, conflicts, terms.buyOnly) : null,
    })),
    impact: {
      turnover_usd: plain(turnover),
      fees_usd: plain(turnover.times(terms.fee)),
      largest_drift_before_pct: plain(largestDifference(weightsBefore, targets)),
      largest_drift_after_pct: plain(largestDifference(weightsAfter, targets)),
      misallocated_before_usd: plain(misallocated(before)),
      misallocated_after_usd: plain(misallocated(after)),
    },
  };
}

/** The first of the limits, from the hardest on, that keeps the asset from what it lacks or has too much. */
function shortfallOf(asset: Tradable, total: Decimal, targetTotal: Decimal, { terms }: Rules): Shortfall {
  if (!asset.aim.equals(asset.target)) return "guardrail";
  const share = asset.target.times(total);
  const gap = quotientDown(share.minus(asset.value.times(targetTotal)).abs(), targetTotal, USD_PLACES);
  const isAbove = asset.value.times(targetTotal).greaterThan(share);
  if (isAbove && terms.buyOnly) return "buy_only";
  const sellable = sellableLots(asset).times(asset.lotValue);
  const isTooLittle = sellable.isZero() || sellable.lessThan(Decimal.min(gap, terms.minimum));
  if (isAbove && isTooLittle && asset.available.lessThan(asset.quantity)) return "not_available";
  if (asset.lotValue.greaterThan(gap)) return "lot_size";
  if (gap.lessThan(terms.minimum)) return "minimum_trade";
  return isAbove ? "nothing_to_buy" : "no_cash";
}

function guardrailShortfall(
  { guardrail, limit_pct, current_pct }: GuardrailState,
  conflicts: readonly GroupGuardrailName[],
  buyOnly: boolean,
): Shortfall {
  if (conflicts.some((name) => name === guardrail)) return "guardrail_conflict";
  const distance = new Decimal(current_pct ?? 0).minus(limit_pct).abs();
  if (distance.lessThanOrEqualTo(SUM_TOLERANCE)) return "lot_size";
  return buyOnly ? "buy_only" : "follows_from_others";
}

function largestDifference(weights: readonly Decimal[], targets: readonly Decimal[]): Decimal {
  return weights.reduce(
    (largest, weight, index) => Decimal.max(largest, weight.minus(targets[index] as Decimal).abs()),
    ZERO,
  );
}

/** Rounded down to 8 places. */
function misallocated(assets: readonly Tradable[]): Decimal {
  const total = sum(assets.map(({ value }) => value));
  const targets = sum(assets.map(({ target }) => target));
  if (targets.isZero()) return ZERO;
  const distances = assets.map(({ value, target }) => value.times(targets).minus(target.times(total)).abs());
  return quotientDown(sum(distances), targets.times(2), USD_PLACES);
}
