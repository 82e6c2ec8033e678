import assert from "node:assert/strict";
import type { Guardrails } from "../contract/portfolio.ts";
import { amount, Decimal, decimal, ONE, timesInto, ZERO } from "./decimals.ts";
import type { Position } from "./positions.ts";

/** What the user lets a rebalancing do. What is left out comes from the guardrails, or limits nothing. */
export interface Constraints {
  readonly min_trade_usd?: string;
  /** Fee in hundredths of a percent of an order's value. */
  readonly fee_bps?: number;
  /** The step in which an asset is traded, by its key. */
  readonly lot_sizes?: ReadonlyMap<string, string>;
  readonly cash_to_add_usd?: string;
  readonly cash_to_take_out_usd?: string;
  readonly buy_only?: boolean;
  /** How far to go once something is outside its band: all the way to the targets, or into the band. */
  readonly depth?: "target" | "band";
}

/** The constraints as figures. */
export interface Terms {
  readonly minimum: Decimal;
  /** As a fraction: 0.001 are 10 basis points. */
  readonly fee: Decimal;
  readonly cashIn: Decimal;
  readonly cashOut: Decimal;
  readonly buyOnly: boolean;
  readonly depth: "target" | "band";
}

/** An asset that can be traded. */
export interface Tradable {
  readonly key: string;
  readonly asset: string;
  readonly asset_id: string | undefined;
  readonly quantity: Decimal;
  readonly available: Decimal;
  readonly price: Decimal;
  readonly value: Decimal;
  readonly lot: Decimal;
  readonly lotValue: Decimal;
  /** Percent as the user set it. */
  readonly target: Decimal;
  /** What the guardrails leave of it; equal to it where they have no objection. */
  readonly aim: Decimal;
}

/** Nothing under a cent is worth an order, whatever the minimum. */
const SMALLEST_ORDER_USD = new Decimal("0.01");
const DEFAULT_LOT_PLACES = 8;
const BASIS_POINTS = 10_000;

/** The terms of the constraints, with the guardrails for what they leave out. */
export function termsOf(constraints: Constraints, guardrails: Guardrails): Terms {
  const fee = new Decimal(constraints.fee_bps ?? guardrails.fee_bps ?? 0).div(BASIS_POINTS);
  assert.ok(!fee.isNegative() && fee.lessThanOrEqualTo(ONE), "fee_bps must be from 0 to 10000");
  const minimum =
    constraints.min_trade_usd === undefined
      ? new Decimal(guardrails.min_trade_usd ?? 0)
      : amount(constraints.min_trade_usd, "min_trade_usd");
  return {
    minimum: Decimal.max(minimum, SMALLEST_ORDER_USD),
    fee,
    cashIn: amount(constraints.cash_to_add_usd ?? "0", "cash_to_add_usd"),
    cashOut: amount(constraints.cash_to_take_out_usd ?? "0", "cash_to_take_out_usd"),
    buyOnly: constraints.buy_only ?? false,
    depth: constraints.depth ?? "target",
  };
}

/** The positions that have a price above 0, each with its lot. */
export function tradables(positions: readonly Position[], constraints: Constraints): Tradable[] {
  return positions.flatMap(({ key, asset, asset_id, quantity, available, price, target }) => {
    if (!price) return [];
    const given = constraints.lot_sizes?.get(key);
    const lot = given === undefined ? defaultLot(price) : decimal(given);
    assert.ok(lot.isPositive() && !lot.isZero(), `the lot size of ${asset} must be above 0, and is ${given}`);
    const value = quantity.times(price);
    const lotValue = lot.times(price);
    return [{ key, asset, asset_id, quantity, available, price, value, lot, lotValue, target, aim: target }];
  });
}

/** What can be sold of it, in whole lots. */
export function sellableLots({ available, lot }: Tradable): Decimal {
  return timesInto(available, lot);
}

/** The same assets after `lots` of each were bought, or sold where negative. What was bought can be sold again. */
export function afterTrades(assets: readonly Tradable[], lots: readonly Decimal[]): Tradable[] {
  return assets.map((asset, index) => {
    const change = (lots[index] ?? ZERO).times(asset.lot);
    const quantity = asset.quantity.plus(change);
    const available = asset.available.plus(change);
    assert.ok(!available.isNegative(), `more of ${asset.asset} would be sold than is available`);
    return { ...asset, quantity, available, value: quantity.times(asset.price) };
  });
}

/** Eight places, as exchanges have them; more where a lot of that size would be worth more than a cent. */
function defaultLot(price: Decimal): Decimal {
  // `e` is the exponent of the first digit, so that a lot is worth less than 10^(e + 1 − places).
  return Decimal.pow(10, -Math.max(DEFAULT_LOT_PLACES, price.e + 3));
}
