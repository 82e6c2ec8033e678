import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type DriftBreached, PortfolioDrift } from "../../services/portfolios/contract/drift.ts";
import { type KnownAsset, startValued, type ValuedServices } from "./valued-services.ts";

let services: ValuedServices;
const ids = new Map<string, string>();
const know = (asset: KnownAsset) => {
  ids.set(asset.symbol, services.neighbours.know(asset, ids.get(asset.symbol)));
};
beforeAll(async () => {
  services = await startValued();
  for (const [symbol, price] of [
    ["BTC", "50000"],
    ["ETH", "2000"],
    ["SOL", "100"],
  ] as const) {
    know({ symbol, price });
  }
  know({ symbol: "USDC", price: "1", asset_type: "stablecoin" });
  know({ symbol: "PRICELESS" });
});
afterAll(() => services.stop());

type Holdings = readonly (readonly [string, string])[];

async function someone(holdings: Holdings, members: object = {}) {
  const userId = randomUUID();
  const user = services.as(userId);
  const { id } = await user.portfolio(members);
  const account = services.neighbours.account(userId, holdings);
  await user.replace(id, [account]);
  return {
    userId,
    user,
    id,
    hold: (changed: Holdings) => services.neighbours.hold(account, changed),
    drift: () => user.drift(id),
  };
}

/** The events about a portfolio, in their order; they wait here, as nobody delivers them in this test. */
async function told(portfolioId: string): Promise<DriftBreached[]> {
  const rows = await services.database.query(
    `select payload from portfolios.outbox
     where event = 'portfolios.drift_breached' and aggregate_id = $1 and hearer = '*' order by position`,
    [portfolioId],
  );
  return rows.map(({ payload }) => payload as DriftBreached);
}

const HALVES = { target_allocation: { BTC: 50, ETH: 50 } };
const OFF: Holdings = [
  ["BTC", "0.08"],
  ["ETH", "1"],
];
const ON: Holdings = [
  ["BTC", "0.04"],
  ["ETH", "1"],
];

describe("portfolios.drift", () => {
  it("answers each asset's target, weight, difference, band and breach, and each guardrail's state", async () => {
    const guardrails = { drift_band: 10, stablecoin_min: 20, max_alt_cap: 30 };
    const { id, drift } = await someone(
      [
        ["BTC", "0.1"],
        ["SOL", "40"],
        ["USDC", "1000"],
        ["UNHEARD", "5"],
      ],
      {
        target_allocation: { BTC: 70, eth: 10, SOL: 20 },
        guardrails,
      },
    );
    const answered = await drift();
    expect(PortfolioDrift.parse(answered)).toEqual(answered);
    const row = (asset: string, members: object) => ({
      asset,
      asset_id: ids.get(asset),
      band_pct: "10",
      unpriced: false,
      ...members,
    });
    expect(answered).toEqual({
      portfolio_id: id,
      total_value_usd: "10000",
      incomplete: true,
      breached: true,
      assets: [
        row("BTC", {
          target_pct: "70",
          current_pct: "50",
          difference_pct: "-20",
          breached: true,
          targeted: true,
          value_usd: "5000",
        }),
        row("SOL", {
          target_pct: "20",
          current_pct: "40",
          difference_pct: "20",
          breached: true,
          targeted: true,
          value_usd: "4000",
        }),
        row("ETH", {
          target_pct: "10",
          current_pct: "0",
          difference_pct: "-10",
          breached: false,
          targeted: true,
          value_usd: "0",
        }),
        row("USDC", {
          target_pct: "0",
          current_pct: "10",
          difference_pct: "10",
          breached: false,
          targeted: false,
          value_usd: "1000",
        }),
        {
          asset: "UNHEARD",
          band_pct: "10",
          target_pct: "0",
          current_pct: "0",
          difference_pct: "0",
          breached: false,
          targeted: false,
          unpriced: true,
          value_usd: null,
        },
      ],
      guardrails: [
        { guardrail: "drift_band", limit_pct: "10", current_pct: "20", breached: true },
        { guardrail: "stablecoin_min", limit_pct: "20", current_pct: "10", breached: true },
        { guardrail: "futures_cap", limit_pct: "100", current_pct: "0", breached: false },
        { guardrail: "max_alt_cap", limit_pct: "30", current_pct: "40", breached: true },
      ],
      as_of: expect.any(String),
    });
  });

  it("says why there are no differences: no targets", async () => {
    const { drift } = await someone(ON);
    expect(await drift()).toMatchObject({
      reason: "no_targets",
      breached: false,
      assets: [
        { target_pct: "0", current_pct: "50", difference_pct: null },
        { target_pct: "0", current_pct: "50", difference_pct: null },
      ],
    });
  });

  it("says why there are no differences: no value", async () => {
    const { drift } = await someone([], HALVES);
    expect(await drift()).toMatchObject({
      reason: "no_value",
      breached: false,
      total_value_usd: "0",
      assets: [
        { asset: "BTC", target_pct: "50", current_pct: null, difference_pct: null, value_usd: "0" },
        { asset: "ETH", target_pct: "50", current_pct: null, difference_pct: null, value_usd: "0" },
      ],
    });
  });

  it("takes a target that is not listed for the one asset of that symbol that is held, else for unpriced", async () => {
    const token = { symbol: "OWN", chain: "base", contract: "0x1", quantity: "10" };
    services.neighbours.know({
      symbol: "OWN",
      price: "5",
      isListed: false,
      by: [{ chain: "base", contract: "0x1" }],
    });
    const { userId, user, id } = await someone([], { target_allocation: { OWN: 50, NOWHERE: 50 } });
    const wallet = services.neighbours.account(userId, [token], { account_type: "wallet" });
    await user.replace(id, [wallet]);
    const { assets } = await user.drift(id);
    expect(assets.map(({ asset, current_pct, unpriced }) => [asset, current_pct, unpriced])).toEqual([
      ["NOWHERE", "0", true],
      ["OWN", "100", false],
    ]);
  });
});

describe("portfolios.drift_breached", () => {
  it("is told once when something comes to be beyond its limit, not each time it is computed", async () => {
    const { userId, id, drift } = await someone(OFF, { ...HALVES, guardrails: { stablecoin_min: 5 } });
    const { as_of } = await drift();
    for (let times = 0; times < 3; times += 1) await drift();
    expect(await told(id)).toEqual([
      {
        portfolio_id: id,
        user_id: userId,
        breaches: [
          {
            kind: "asset",
            name: "BTC",
            asset_id: ids.get("BTC"),
            current_pct: "66.66666667",
            limit_pct: "50",
          },
          {
            kind: "asset",
            name: "ETH",
            asset_id: ids.get("ETH"),
            current_pct: "33.33333333",
            limit_pct: "50",
          },
          { kind: "guardrail", name: "stablecoin_min", current_pct: "0", limit_pct: "5" },
        ],
        as_of,
      },
    ]);
  });

  it("is told once when many compute it at the same time", async () => {
    const { id, drift } = await someone(OFF, HALVES);
    await Promise.all(Array.from({ length: 30 }, drift));
    expect(await told(id)).toHaveLength(1);
  });

  it("is told again after it was within its limits, and only of what is new", async () => {
    const { id, hold, drift } = await someone(OFF, HALVES);
    await drift();
    hold(ON);
    expect(await drift()).toMatchObject({ breached: false });
    expect(await told(id)).toHaveLength(1);
    hold(OFF);
    await drift();
    hold([...OFF, ["SOL", "30"]]);
    await drift();
    const names = (await told(id)).map(({ breaches }) => breaches.map(({ name }) => name));
    expect(names).toEqual([["BTC", "ETH"], ["BTC", "ETH"], ["SOL"]]);
  });

  it("is not told of what is within its limits, and then nothing is written", async () => {
    const { id, drift } = await someone(ON, HALVES);
    await drift();
    expect(await told(id)).toEqual([]);
    const rows = await services.database.query(
      "select from portfolios.drift_breaches where portfolio_id = $1",
      [id],
    );
    expect(rows).toHaveLength(0);
  });

  it("is neither told nor forgotten while something with a target is held and has no price", async () => {
    const target_allocation = { BTC: 50, PRICELESS: 50 };
    const { id, hold, drift } = await someone(
      [
        ["BTC", "1"],
        ["PRICELESS", "1"],
      ],
      { target_allocation },
    );
    expect(await drift()).toMatchObject({ breached: true, incomplete: true });
    expect(await told(id)).toEqual([]);
    hold([["BTC", "1"]]);
    await drift();
    expect(await told(id)).toHaveLength(1);
    hold([
      ["BTC", "1"],
      ["PRICELESS", "1"],
    ]);
    await drift();
    hold([["BTC", "1"]]);
    await drift();
    expect(await told(id)).toHaveLength(1);
  });

  it("leaves nothing behind when the portfolio is deleted", async () => {
    const { user, id, drift } = await someone(OFF, HALVES);
    await drift();
    await user.delete(id);
    const rows = await services.database.query(
      "select from portfolios.drift_breaches where portfolio_id = $1",
      [id],
    );
    expect(rows).toHaveLength(0);
  });
});
