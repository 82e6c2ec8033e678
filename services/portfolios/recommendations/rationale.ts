import { Decimal } from "../domain/decimals.ts";
import type { Drift, DriftRow } from "../domain/drift.ts";
import type { GuardrailState } from "../domain/guardrail-states.ts";
import type { Order, Rebalancing } from "../domain/rebalancing.ts";
import type { Constraints } from "../domain/rebalancing-assets.ts";
import type { Shortfall } from "../domain/rebalancing-outcome.ts";

/** So many of a kind are named; of the others, it is told how many they are. */
const MAX_NAMED = 3;
const SHOWN_DIGITS = 8;

/** Why something is not where it should be after the orders, to go on a sentence. */
const SHORTFALLS: Readonly<Record<Shortfall, string>> = {
  buy_only: "because nothing may be sold",
  not_available: "because it is frozen",
  lot_size: "because its lots are too large",
  minimum_trade: "because the order would be too small",
  guardrail: "because the guardrails stand above its target",
  guardrail_conflict: "because targets and guardrail exclude each other",
  nothing_to_buy: "because there is nothing that could be bought instead",
  no_cash: "because there is nothing that could be sold for it",
  follows_from_others: "because others are not where they should be",
};

const GUARDRAILS: Readonly<Record<GuardrailState["guardrail"], [subject: string, limit: string]>> = {
  drift_band: ["the largest difference from a target is", "more than the band of"],
  stablecoin_min: ["stablecoins are", "less than the least of"],
  futures_cap: ["futures are", "more than the most of"],
  max_alt_cap: ["coins other than BTC and ETH are", "more than the most of"],
};

/** What a rebalancing proposes and why, with figures, in a few sentences. Exact figures are in its other members. */
export function rationaleOf(
  drift: Drift,
  result: Rebalancing,
  constraints: Pick<Constraints, "cash_to_add_usd" | "cash_to_take_out_usd">,
): string {
  return [
    ...reasons(drift, constraints),
    orders(result.orders, result.fees_usd),
    ...outcome(result),
    ...(result.incomplete
      ? [`Left out, for want of a price: ${named(result.untradable, (asset) => asset)}.`]
      : []),
  ].join(" ");
}

function reasons(
  { assets, guardrails }: Drift,
  { cash_to_add_usd, cash_to_take_out_usd }: Pick<Constraints, "cash_to_add_usd" | "cash_to_take_out_usd">,
): string[] {
  const outside = assets.filter(({ breached }) => breached);
  const beyond = guardrails.filter(({ guardrail, breached }) => breached && guardrail !== "drift_band");
  return [
    ...(outside.length > 0
      ? [
          `${named(outside, weightOf)}; more than ${points(outside[0]?.band_pct ?? "0")} off is outside the band.`,
        ]
      : []),
    ...beyond.map(({ guardrail, current_pct, limit_pct }) => {
      const [subject, limit] = GUARDRAILS[guardrail];
      return capitalized(
        `${subject} ${percent(current_pct ?? "0")} of the value, ${limit} ${percent(limit_pct)}.`,
      );
    }),
    ...(isSome(cash_to_add_usd) ? [`${dollars(cash_to_add_usd)} are to be invested.`] : []),
    ...(isSome(cash_to_take_out_usd) ? [`${dollars(cash_to_take_out_usd)} are to be taken out.`] : []),
  ];
}

function weightOf({ asset, current_pct, target_pct, targeted }: DriftRow): string {
  const current = `${asset} is ${percent(current_pct ?? "0")} of the value`;
  return targeted ? `${current} and should be ${percent(target_pct)}` : `${current} and has no target`;
}

function orders(all: readonly Order[], fees: string): string {
  const parts = (["sell", "buy"] as const).flatMap((action) => {
    const some = all.filter((order) => order.action === action);
    return some.length > 0 ? [`${action} ${named(some, orderOf)}`] : [];
  });
  const paid = isSome(fees) ? `, for fees of ${dollars(fees)}` : "";
  return capitalized(`${parts.join(", and ")}${paid}.`);
}

function orderOf({ asset, quantity, estimated_value_usd }: Order): string {
  const shown = new Decimal(quantity).toSignificantDigits(SHOWN_DIGITS).toFixed();
  return `${shown} ${asset} (${dollars(estimated_value_usd)})`;
}

function outcome({ weights, guardrails, impact }: Rebalancing): string[] {
  const left = weights.flatMap(({ asset, within_band, reason }) =>
    within_band || reason === null ? [] : [{ asset, reason }],
  );
  const beyond = guardrails.flatMap(({ guardrail, reason }) =>
    reason === null ? [] : [{ guardrail, reason }],
  );
  const before = percent(impact.largest_drift_before_pct);
  const after = percent(impact.largest_drift_after_pct);
  return [
    `Then the largest difference from a target is ${after} instead of ${before}.`,
    ...(left.length > 0
      ? [`Still outside: ${named(left, ({ asset, reason }) => `${asset}, ${SHORTFALLS[reason]}`)}.`]
      : []),
    ...(beyond.length > 0
      ? [`Not kept: ${named(beyond, ({ guardrail, reason }) => `${guardrail}, ${SHORTFALLS[reason]}`)}.`]
      : []),
  ];
}

/** The first of them, and how many more there are. */
function named<Item>(items: readonly Item[], text: (item: Item) => string): string {
  const shown = items.slice(0, MAX_NAMED).map(text);
  const more = items.length - shown.length;
  return more > 0 ? `${shown.join("; ")}; and ${more} more` : shown.join("; ");
}

function percent(text: string): string {
  return `${rounded(text)} %`;
}

function points(text: string): string {
  return `${rounded(text)} points`;
}

function rounded(text: string): string {
  return new Decimal(text).toDecimalPlaces(2).toFixed();
}

function dollars(text: string): string {
  return `${new Decimal(text).toFixed(2)} US dollars`;
}

function isSome(text: string | undefined): text is string {
  return text !== undefined && !new Decimal(text).isZero();
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
