import { randomUUID } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { historyOf } from "../../scripts/demo/history.ts";
import type { PortfolioHoldings } from "../../services/portfolios/contract/holdings.ts";
import { Snapshot } from "../../services/portfolios/contract/snapshots.ts";

const row = (asset: string, total_quantity: string, price_usd: string | null) => ({
  asset,
  ...(price_usd !== null && { asset_id: randomUUID() }),
  total_quantity,
  total_available: total_quantity,
  total_frozen: "0",
  normalized_quantity: total_quantity,
  price_usd,
  value_usd: null,
  unpriced: price_usd === null,
  accounts: [],
});

const holdings: PortfolioHoldings = {
  portfolio_id: randomUUID(),
  total_value_usd: "0",
  incomplete: true,
  holdings: [row("BTC", "0.5", "100000"), row("USDC", "5000", "1"), row("NEW", "3", null)],
  allocation: [],
  as_of: "2026-01-31T09:30:00.123Z",
};
const options = {
  userId: randomUUID(),
  portfolioName: "Demo portfolio",
  holdings,
  days: 30,
  now: Date.parse("2026-01-31T09:30:00.123Z"),
};

describe("historyOf", () => {
  it("makes an end-of-day snapshot of each day before today, each a sample", () => {
    const drafts = historyOf(options);
    expect(drafts).toHaveLength(30);
    expect([drafts[0]?.snapshot_date, drafts[29]?.snapshot_date]).toEqual(["2026-01-01", "2026-01-30"]);
    for (const draft of drafts) {
      expect(draft).toMatchObject({
        portfolio: { id: holdings.portfolio_id, userId: options.userId },
        snapshot_type: "eod",
        portfolio_name: "Demo portfolio",
        valued_at: `${draft.snapshot_date}T23:00:00.000Z`,
        has_sample_prices: true,
      });
      expect(draft.holdings.map((one) => Snapshot.shape.holdings.element.parse(one))).toEqual(draft.holdings);
    }
  });

  it("lets prices go up and down, but for what is stable, and adds the values up", () => {
    const drafts = historyOf(options);
    expect(new Set(drafts.map(({ total_value_usd }) => total_value_usd)).size).toBe(30);
    for (const { holdings: kept, total_value_usd } of drafts) {
      const [btc, usdc, unknown] = kept;
      expect(Number(btc?.price_usd)).toBeGreaterThan(60_000);
      expect(Number(btc?.price_usd)).toBeLessThan(160_000);
      expect([usdc?.price_usd, usdc?.value_usd]).toEqual(["1", "5000"]);
      expect(unknown).toEqual({ asset: "NEW", quantity: "3", value_usd: "0", weight: "0", unpriced: true });
      expect(Number(total_value_usd)).toBeCloseTo(Number(btc?.value_usd) + 5_000, 6);
    }
  });

  it("is the same each time, and of no day where none is asked for", () => {
    expect(historyOf(options)).toEqual(historyOf(options));
    expect(historyOf({ ...options, days: 0 })).toEqual([]);
  });
});
