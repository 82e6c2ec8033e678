import type { Guardrails, Portfolio } from "../contract/portfolio.ts";
import type { Constraints as Asked } from "../contract/recommendation-members.ts";
import { Decimal } from "../domain/decimals.ts";
import type { Position } from "../domain/positions.ts";
import type { RebalancingInput } from "../domain/rebalancing.ts";
import type { Constraints } from "../domain/rebalancing-assets.ts";
import type { Valuation } from "../valuation.ts";

const DEFAULT_VALIDITY_SECONDS = 24 * 60 * 60;
/** Of money and fees that come as JSON numbers. */
const NUMBER_PLACES = 10;

/** What the engine computes with, of a portfolio's valuation and of what the user lets it do. */
export function engineInput(valuation: Valuation, asked: Asked): RebalancingInput {
  const positions = valuation.positions();
  return {
    positions,
    guardrails: guardrailsOf(valuation.portfolio),
    kinds: valuation.kinds,
    constraints: constraintsOf(asked, positions),
    now: valuation.as_of,
    valid_for_seconds: asked.valid_for_seconds ?? DEFAULT_VALIDITY_SECONDS,
  };
}

/** Assets of the portfolio whose price is older than it should be. */
export function staleAssets({ positions }: RebalancingInput, { quotes }: Valuation): string[] {
  return positions
    .filter(({ asset_id }) => asset_id !== undefined && quotes.get(asset_id)?.stale)
    .map(({ asset }) => asset);
}

function constraintsOf(asked: Asked, positions: readonly Position[]): Constraints {
  const { min_trade_usd, cash_in_usd, cash_out_usd, lot_sizes, fee_bps, buy_only, depth } = asked;
  return {
    ...(min_trade_usd !== undefined && { min_trade_usd: digitsOf(min_trade_usd) }),
    ...(cash_in_usd !== undefined && { cash_to_add_usd: digitsOf(cash_in_usd) }),
    ...(cash_out_usd !== undefined && { cash_to_take_out_usd: digitsOf(cash_out_usd) }),
    ...(lot_sizes !== undefined && { lot_sizes: lotsByKey(lot_sizes, positions) }),
    ...(fee_bps !== undefined && { fee_bps: rounded(fee_bps) }),
    ...(buy_only !== undefined && { buy_only }),
    ...(depth !== undefined && { depth }),
  };
}

/** A fee of 10^-300 would have more digits than are computed exactly. */
function guardrailsOf({ guardrails = {} }: Portfolio): Guardrails {
  const { min_trade_usd, fee_bps, ...limits } = guardrails;
  return {
    ...limits,
    ...(min_trade_usd !== undefined && { min_trade_usd: rounded(min_trade_usd) }),
    ...(fee_bps !== undefined && { fee_bps: rounded(fee_bps) }),
  };
}

function rounded(given: number): number {
  return new Decimal(given).toDecimalPlaces(NUMBER_PLACES).toNumber();
}

/** JavaScript may write numbers with an exponent. */
function digitsOf(given: string | number): string {
  return typeof given === "string" ? given : new Decimal(given).toDecimalPlaces(NUMBER_PLACES).toFixed();
}

/** By the engine's keys; a size may be given for what is not in the portfolio, and means nothing then. */
function lotsByKey(
  sizes: Readonly<Record<string, string>>,
  positions: readonly Position[],
): ReadonlyMap<string, string> {
  const byName = new Map(Object.entries(sizes).map(([name, size]) => [name.toUpperCase(), size]));
  return new Map(
    positions.flatMap(({ key, asset, asset_id = "" }) => {
      const size = byName.get(asset_id.toUpperCase()) ?? byName.get(asset.toUpperCase());
      return size === undefined ? [] : [[key, size] as const];
    }),
  );
}
