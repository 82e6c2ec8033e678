import type { Guardrails } from "../../../services/portfolios/contract/portfolio.ts";
import type { HoldingRow, Prices } from "../../../services/portfolios/domain/holdings.ts";
import { aggregateHoldings } from "../../../services/portfolios/domain/holdings.ts";
import { type Position, positionsOf } from "../../../services/portfolios/domain/positions.ts";
import type { RebalancingInput } from "../../../services/portfolios/domain/rebalancing.ts";
import type { Constraints } from "../../../services/portfolios/domain/rebalancing-assets.ts";

export const NOW = "2026-01-31T09:30:00.000Z";

/** An asset of a test: its symbol is its id, too. */
export interface Held {
  readonly asset: string;
  readonly quantity: string;
  readonly available?: string;
  readonly price?: string;
  readonly price_as_of?: string;
}

export const kinds = {
  stablecoins: new Set(["USDC", "USDT"]),
  majors: new Set(["BTC", "ETH"]),
  futures: new Set(["BTC-PERP"]),
};

export function pricesOf(held: readonly Held[]): Prices {
  return new Map(
    held.flatMap(({ asset, price, price_as_of = NOW }) =>
      price === undefined
        ? []
        : [[asset, { price_usd: price, as_of: price_as_of, source: "test", stale: false }] as const],
    ),
  );
}

export function rowsOf(held: readonly Held[]): readonly HoldingRow[] {
  const holdings = held.map(({ asset, quantity, available }) => ({
    asset,
    asset_id: asset,
    quantity,
    ...(available === undefined ? {} : { available }),
  }));
  const account = { account_id: "account", account_name: "Account", holdings };
  return aggregateHoldings([account], pricesOf(held)).holdings;
}

export function positionsFor(
  held: readonly Held[],
  targets: Readonly<Record<string, number>>,
): readonly Position[] {
  const wanted = Object.entries(targets).map(([asset, target_pct]) => ({
    asset,
    asset_id: asset,
    target_pct,
  }));
  return positionsOf(rowsOf(held), wanted, pricesOf(held));
}

export function rebalancingInput({
  held,
  targets,
  guardrails = {},
  constraints = {},
}: {
  held: readonly Held[];
  targets: Readonly<Record<string, number>>;
  guardrails?: Guardrails;
  constraints?: Constraints;
}): RebalancingInput {
  const positions = positionsFor(held, targets);
  return { positions, guardrails, kinds, constraints, now: NOW, valid_for_seconds: 3600 };
}
