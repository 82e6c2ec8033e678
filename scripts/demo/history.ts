// Snapshots of the days before: what is held now, at prices that are made up and marked as samples.
import type { PortfolioHoldings } from "../../services/portfolios/contract/holdings.ts";
import { storedAllocation } from "../../services/portfolios/domain/allocation.ts";
import { Decimal, plain } from "../../services/portfolios/domain/decimals.ts";
import { aggregateHoldings } from "../../services/portfolios/domain/holdings.ts";
import type { SnapshotDraft } from "../../services/portfolios/snapshots/store.ts";

const dayMs = 86_400_000;
const endOfDay = "T23:00:00.000Z";
const significantDigits = 8;
/** What is worth the same every day. */
const stable = new Set(["USDC", "USDT", "DAI"]);
/** Ups and downs: days from one to the next, and how far, as a share of the price. */
const waves = [
  { days: 90, share: 0.12 },
  { days: 23, share: 0.05 },
  { days: 6.5, share: 0.02 },
] as const;

export type HistoryOptions = {
  userId: string;
  portfolioName: string;
  holdings: PortfolioHoldings;
  days: number;
  /** Now, in milliseconds since 1970. */
  now: number;
};

/** An end-of-day snapshot of each of so many days before today, the oldest first; always the same for the same prices. */
export function historyOf({ userId, portfolioName, holdings, days, now }: HistoryOptions): SnapshotDraft[] {
  const today = Math.floor(now / dayMs);
  return Array.from({ length: days }, (_, index) => {
    const day = today - days + index;
    const snapshot_date = new Date(day * dayMs).toISOString().slice(0, 10);
    const valued_at = snapshot_date + endOfDay;
    const { total_value_usd, holdings: kept } = valued(holdings, day, today, valued_at);
    return {
      portfolio: { id: holdings.portfolio_id, userId },
      snapshot_date,
      snapshot_type: "eod",
      portfolio_name: portfolioName,
      valued_at,
      total_value_usd,
      holdings: kept,
      has_sample_prices: true,
    };
  });
}

function valued({ holdings }: PortfolioHoldings, day: number, today: number, as_of: string) {
  const prices = new Map(
    holdings.flatMap(({ asset, asset_id, price_usd }) => {
      if (asset_id === undefined || price_usd === null) return [];
      const price = priceOn(day, today, asset, price_usd);
      return [[asset_id, { price_usd: price, as_of, source: "sample", stale: false }]];
    }),
  );
  const held = holdings.map(({ asset, asset_id, chain, total_quantity }) => ({
    asset,
    ...(asset_id !== undefined && { asset_id }),
    ...(chain !== undefined && { chain }),
    quantity: total_quantity,
  }));
  const account = { account_id: "demo", account_name: "demo", holdings: held };
  const { holdings: kept, ...stored } = storedAllocation(aggregateHoldings([account], prices));
  return { ...stored, holdings: [...kept] };
}

/** The price of a day, such that it would be today's price today. */
function priceOn(day: number, today: number, asset: string, price: string | number): string {
  const factor = stable.has(asset) ? 1 : level(day, asset) / level(today, asset);
  return plain(new Decimal(price).times(factor).toSignificantDigits(significantDigits));
}

function level(day: number, asset: string): number {
  // Assets go up and down by themselves: each begins somewhere else.
  const start = [...asset].reduce((sum, character) => sum * 31 + (character.codePointAt(0) ?? 0), 7) % 1_000;
  return waves.reduce(
    (sum, { days, share }) => sum + share * Math.sin(((day + start) / days) * 2 * Math.PI),
    1,
  );
}
