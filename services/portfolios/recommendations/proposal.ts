import { createHash } from "node:crypto";
import { MAX_PAGE_BYTES } from "../../common/page.ts";
import { type ProblemCode, type ProblemData, problem } from "../../common/problem.ts";
import type { Recommendation } from "../contract/recommendation-members.ts";
import { Decimal, plain } from "../domain/decimals.ts";
import { driftOf } from "../domain/drift.ts";
import { type Rebalancing, type RebalancingInput, type Refusal, rebalance } from "../domain/rebalancing.ts";
import { rationaleOf } from "./rationale.ts";
import type { GeneratedDraft } from "./writes.ts";

/** JavaScript writes smaller numbers with an exponent, which clients need not expect. */
const PERCENT_PLACES = 6;
/** Those with a target are at most so many, and more of the others would only fill the page. */
const MAX_WEIGHTS = 400;
const MAX_NAMED = 100;

const REFUSALS: Readonly<Record<Exclude<Refusal, "no_targets" | "missing_price">, ProblemData>> = {
  no_value: { detail: "Nothing in the portfolio has a value, and no cash is to be invested." },
  buy_only_cannot_raise_cash: {
    detail: "No cash can be taken out where nothing may be sold.",
    errors: [{ pointer: "/cash_out_usd", detail: "cannot be had while buy_only is true" }],
  },
  cash_out_exceeds_available: {
    detail: "Selling all that is available does not bring in the cash that is to be taken out.",
    errors: [{ pointer: "/cash_out_usd", detail: "is more than selling can bring in" }],
  },
  no_stable_plan: {
    detail:
      "No orders were found that would leave nothing to do; another min_trade_usd, or other lot sizes, may help.",
  },
};

/**
 * The recommendation that the engine makes of an input; undefined where there is nothing to do.
 * @param stale assets whose price is older than it should be.
 * @throws TARGETS_MISSING, RECOMMENDATION_NOT_POSSIBLE with the reason.
 */
export function proposalOf(input: RebalancingInput, stale: readonly string[]): GeneratedDraft | undefined {
  const result = rebalance(input);
  if (result.reason !== null) throw refusal(result.reason, input);
  if (result.orders.length === 0) return undefined;
  const { impact } = result;
  const draft = {
    recommendation_type: "rebalance" as const,
    rationale: rationaleOf(
      driftOf(input.positions, input.guardrails, input.kinds),
      result,
      input.constraints,
    ),
    proposed_orders: [...result.orders],
    expected_impact: plain(new Decimal(impact.misallocated_before_usd).minus(impact.misallocated_after_usd)),
    metadata: metadataOf(result, stale),
    price_as_of: result.price_as_of,
    inputs_hash: createHash("sha256").update(result.canonical_inputs).digest("hex"),
    valid_for_seconds: input.valid_for_seconds,
  };
  if (Buffer.byteLength(JSON.stringify(draft)) > MAX_PAGE_BYTES) {
    throw notPossible({
      detail: `There would be ${result.orders.length} orders, more than one recommendation holds; a larger min_trade_usd leaves out the smallest.`,
    });
  }
  return draft;
}

function refusal(reason: Refusal, { positions }: RebalancingInput): Error {
  if (reason === "no_targets") return problem("TARGETS_MISSING");
  if (reason !== "missing_price") return notPossible(REFUSALS[reason]);
  const missing = positions.filter(({ target, price }) => !target.isZero() && price === null);
  const names = missing.slice(0, MAX_NAMED).map(({ asset }) => asset);
  return notPossible({ detail: `There is no price for what has a target: ${names.join(", ")}.` });
}

function notPossible(data: ProblemData): Error {
  const code: ProblemCode = "RECOMMENDATION_NOT_POSSIBLE";
  return problem(code, data);
}

function metadataOf(result: Rebalancing, stale: readonly string[]): NonNullable<Recommendation["metadata"]> {
  const weights = result.weights
    .filter(({ target_pct, within_band }) => target_pct !== "0" || !within_band)
    .toSorted((one, other) => Number(other.target_pct) - Number(one.target_pct));
  return {
    drift_percentage: percent(result.impact.largest_drift_before_pct),
    drift_percentage_after: percent(result.impact.largest_drift_after_pct),
    sells_usd: result.sells_usd,
    buys_usd: result.buys_usd,
    fees_usd: result.fees_usd,
    cash_added_usd: result.cash_added_usd,
    cash_out_usd: result.cash_out_usd,
    remainder_usd: result.remainder_usd,
    turnover_usd: result.impact.turnover_usd,
    weights: weights
      .slice(0, MAX_WEIGHTS)
      .map(({ target_pct, before_pct, after_pct, reason, ...weight }) => ({
        ...weight,
        target_pct: percent(target_pct),
        before_pct: percent(before_pct),
        after_pct: percent(after_pct),
        ...(reason !== null && { reason }),
      })),
    guardrails: result.guardrails.map(({ guardrail, limit_pct, current_pct, breached, reason }) => ({
      guardrail,
      limit_pct: percent(limit_pct),
      ...(current_pct !== null && { current_pct: percent(current_pct) }),
      breached,
      ...(reason !== null && { reason }),
    })),
    incomplete: result.incomplete,
    ...(result.untradable.length > 0 && { untradable: result.untradable.slice(0, MAX_NAMED) }),
    ...(stale.length > 0 && { stale_prices: stale.slice(0, MAX_NAMED) }),
  };
}

/** Figures that are shown, and so numbers. */
function percent(text: string): number {
  return new Decimal(text).toDecimalPlaces(PERCENT_PLACES).toNumber();
}
