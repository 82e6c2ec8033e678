import { describe, expect, it } from "@jest/globals";
import { rebalance } from "../../../services/portfolios/domain/rebalancing.ts";
import { type Held, rebalancingInput } from "./rebalancing-input.ts";

const usd = (asset: string, value: string, available = value): Held => ({
  asset,
  quantity: value,
  available,
  price: "1",
});
const run = (input: Parameters<typeof rebalancingInput>[0]) => rebalance(rebalancingInput(input));
const brief = ({ orders }: ReturnType<typeof rebalance>) =>
  orders.map(({ action, asset, estimated_value_usd }) => `${action} ${asset} ${estimated_value_usd}`);

describe("rebalance", () => {
  it("goes all the way to the targets once something is outside its band", () => {
    const result = run({
      held: [
        { asset: "BTC", quantity: "1.4", price: "60000" },
        { asset: "ETH", quantity: "18", price: "2000" },
      ],
      targets: { BTC: 60, ETH: 40 },
    });
    expect(result.orders).toEqual([
      {
        action: "sell",
        asset: "BTC",
        asset_id: "BTC",
        quantity: "0.2",
        estimated_price: "60000",
        estimated_value_usd: "12000",
      },
      {
        action: "buy",
        asset: "ETH",
        asset_id: "ETH",
        quantity: "6",
        estimated_price: "2000",
        estimated_value_usd: "12000",
      },
    ]);
    expect(result).toMatchObject({
      reason: null,
      sells_usd: "12000",
      buys_usd: "12000",
      fees_usd: "0",
      remainder_usd: "0",
      impact: {
        turnover_usd: "24000",
        largest_drift_before_pct: "10",
        largest_drift_after_pct: "0",
        misallocated_before_usd: "12000",
        misallocated_after_usd: "0",
      },
    });
    expect(result.weights).toEqual([
      expect.objectContaining({ asset: "BTC", before_pct: "70", after_pct: "60", within_band: true }),
      expect.objectContaining({ asset: "ETH", before_pct: "30", after_pct: "40", within_band: true }),
    ]);
  });

  it("does nothing while all weights are within their bands", () => {
    const result = run({ held: [usd("BTC", "65"), usd("ETH", "35")], targets: { BTC: 60, ETH: 40 } });
    expect(result).toMatchObject({ orders: [], reason: null, sells_usd: "0", cash_out_usd: "0" });
  });

  it("goes part of the way, a tenth of the band inside it", () => {
    const result = run({
      held: [usd("BTC", "700"), usd("ETH", "300")],
      targets: { BTC: 60, ETH: 40 },
      constraints: { depth: "band" },
    });
    expect(brief(result)).toEqual(["sell BTC 55", "buy ETH 55"]);
  });

  it("pays the fees out of the sells", () => {
    const result = run({
      held: [usd("BTC", "1000")],
      targets: { BTC: 50, ETH: 50 },
      constraints: { fee_bps: 100 },
    });
    expect(result).toMatchObject({ reason: "missing_price", untradable: ["ETH"] });
    const priced = run({
      held: [usd("BTC", "1000"), usd("ETH", "0")],
      targets: { BTC: 50, ETH: 50 },
      constraints: { fee_bps: 100 },
    });
    expect(brief(priced)).toEqual(["sell BTC 505", "buy ETH 495"]);
    expect(priced).toMatchObject({ fees_usd: "10", remainder_usd: "0", cash_out_usd: "0" });
  });

  it.each([
    [
      "sells what has no target",
      [usd("BTC", "60"), usd("DOGE", "40")],
      { BTC: 100 },
      {},
      ["sell DOGE 40", "buy BTC 40"],
    ],
    [
      "spends cash that is added on what is furthest under its target",
      [usd("BTC", "60"), usd("ETH", "30")],
      { BTC: 60, ETH: 40 },
      { cash_to_add_usd: "10" },
      ["buy ETH 10"],
    ],
    [
      "raises cash that is to be taken out",
      [usd("BTC", "60"), usd("ETH", "50")],
      { BTC: 60, ETH: 40 },
      { cash_to_take_out_usd: "10" },
      ["sell ETH 10"],
    ],
    [
      "only buys where it may not sell",
      [usd("BTC", "90"), usd("ETH", "0")],
      { BTC: 60, ETH: 40 },
      { cash_to_add_usd: "10", buy_only: true },
      ["buy ETH 10"],
    ],
    [
      "trades whole lots only, and sells no more than they cost",
      [usd("BTC", "100"), usd("SOL", "0")],
      { BTC: 50, SOL: 50 },
      { lot_sizes: new Map([["SOL", "15"]]) },
      ["sell BTC 45", "buy SOL 45"],
    ],
  ])("%s", (_, held, targets, constraints, expected) => {
    expect(brief(run({ held, targets, constraints }))).toEqual(expected);
  });

  it("sells no more than the buys cost, also where buying the rest back would be too small an order", () => {
    const result = run({
      held: [usd("BTC", "100"), usd("SOL", "0")],
      targets: { BTC: 50, SOL: 50 },
      constraints: { lot_sizes: new Map([["SOL", "15"]]), min_trade_usd: "10" },
    });
    expect(brief(result)).toEqual(["sell BTC 45", "buy SOL 45"]);
    expect(result.remainder_usd).toBe("0");
  });

  it("goes to the targets where weights inside their bands break a guardrail together", () => {
    const result = run({
      held: [usd("BTC", "84"), usd("USDC", "16")],
      targets: { BTC: 80, USDC: 20 },
      guardrails: { stablecoin_min: 18 },
      constraints: { depth: "band" },
    });
    expect(brief(result)).toEqual(["sell BTC 4", "buy USDC 4"]);
  });

  it("takes minimum trade and fee from the guardrails unless the constraints say otherwise", () => {
    const input = {
      held: [usd("BTC", "70"), usd("ETH", "30")],
      targets: { BTC: 60, ETH: 40 },
      guardrails: { min_trade_usd: 11, fee_bps: 0 },
    };
    expect(run(input).orders).toEqual([]);
    expect(brief(run({ ...input, constraints: { min_trade_usd: "10" } }))).toEqual([
      "sell BTC 10",
      "buy ETH 10",
    ]);
  });

  it.each([
    ["not_available", [usd("BTC", "80", "5"), usd("ETH", "20")], {}, "BTC"],
    ["buy_only", [usd("BTC", "80"), usd("ETH", "20")], { buy_only: true }, "BTC"],
    ["no_cash", [usd("BTC", "80"), usd("ETH", "20")], { buy_only: true }, "ETH"],
    ["minimum_trade", [usd("BTC", "80"), usd("ETH", "20")], { min_trade_usd: "21" }, "ETH"],
    ["lot_size", [usd("BTC", "80"), usd("ETH", "20")], { lot_sizes: new Map([["ETH", "30"]]) }, "ETH"],
    ["nothing_to_buy", [usd("BTC", "80"), usd("ETH", "20")], { lot_sizes: new Map([["ETH", "30"]]) }, "BTC"],
  ])("says %s where that keeps a weight out of its band", (reason, held, constraints, asset) => {
    const { weights } = run({ held, targets: { BTC: 60, ETH: 40 }, constraints });
    expect(weights.find((weight) => weight.asset === asset)).toMatchObject({ within_band: false, reason });
  });

  it("keeps to guardrails before targets, and says so", () => {
    const result = run({
      held: [usd("BTC", "50"), usd("USDC", "10"), usd("SOL", "40")],
      targets: { BTC: 50, USDC: 10, SOL: 40 },
      guardrails: { stablecoin_min: 20, max_alt_cap: 30 },
    });
    const after = Object.fromEntries(
      result.weights.map(({ asset, after_pct }) => [asset, Number(after_pct)]),
    );
    expect(after.USDC).toBeCloseTo(20, 5);
    expect(after.SOL).toBeLessThanOrEqual(30);
    expect(result.weights.filter(({ reason }) => reason === "guardrail").map(({ asset }) => asset)).toEqual([
      "SOL",
      "USDC",
    ]);
  });

  it("names a guardrail that no target can keep to", () => {
    const result = run({ held: [usd("SOL", "100")], targets: { SOL: 100 }, guardrails: { max_alt_cap: 30 } });
    expect(result.orders).toEqual([]);
    expect(result.guardrails.find(({ guardrail }) => guardrail === "max_alt_cap")).toMatchObject({
      breached: true,
      reason: "guardrail_conflict",
    });
  });

  it.each([
    ["no_targets", [usd("BTC", "1")], {}, {}],
    ["no_value", [usd("BTC", "0")], { BTC: 100 }, {}],
    [
      "missing_price",
      [usd("BTC", "1"), { asset: "ETH", quantity: "0", price: "0" }],
      { BTC: 50, ETH: 50 },
      {},
    ],
    [
      "buy_only_cannot_raise_cash",
      [usd("BTC", "10")],
      { BTC: 100 },
      { buy_only: true, cash_to_take_out_usd: "1" },
    ],
    ["cash_out_exceeds_available", [usd("BTC", "10")], { BTC: 100 }, { cash_to_take_out_usd: "11" }],
    ["cash_out_exceeds_available", [usd("BTC", "10", "4")], { BTC: 100 }, { cash_to_take_out_usd: "5" }],
    [
      "cash_out_exceeds_available",
      [usd("BTC", "10")],
      { BTC: 100 },
      { cash_to_take_out_usd: "10", fee_bps: 10 },
    ],
  ])("refuses with %s, and moves no money", (reason, held, targets: Record<string, number>, constraints) => {
    expect(run({ held, targets, constraints })).toMatchObject({
      reason,
      orders: [],
      cash_added_usd: "0",
      cash_out_usd: "0",
    });
  });

  it.each([
    ["a negative minimum", { min_trade_usd: "-1" }, /min_trade_usd must not be negative/],
    ["a fee of more than everything", { fee_bps: 10_001 }, /fee_bps must be from 0 to 10000/],
    ["a lot of nothing", { lot_sizes: new Map([["BTC", "0"]]) }, /lot size of BTC must be above 0/],
  ])("does not accept %s", (_, constraints, message) => {
    expect(() => run({ held: [usd("BTC", "1")], targets: { BTC: 100 }, constraints })).toThrow(message);
  });

  it("stands on the oldest price, and expires", () => {
    const result = run({
      held: [
        { ...usd("BTC", "1"), price_as_of: "2026-01-31T09:00:00.000Z" },
        { ...usd("ETH", "1"), price_as_of: "2026-01-31T08:45:00.000Z" },
      ],
      targets: { BTC: 100 },
    });
    expect(result).toMatchObject({
      price_as_of: "2026-01-31T08:45:00.000Z",
      expires_at: "2026-01-31T10:30:00.000Z",
    });
  });

  it("has one canonical text for equal inputs, and others for others", () => {
    const held = [usd("BTC", "70"), usd("ETH", "30")];
    const targets = { BTC: 60, ETH: 40 };
    const text = (input: Partial<Parameters<typeof rebalancingInput>[0]> = {}) =>
      run({ held, targets, ...input }).canonical_inputs;
    const [btc, eth] = held as [Held, Held];
    expect(
      text({ held: [eth, { ...btc, quantity: "70.000", price_as_of: "2026-01-30T00:00:00.000Z" }] }),
    ).toBe(text());
    const others = [
      text({ held: [btc, { ...eth, price: "1.01" }] }),
      text({ held: [{ ...btc, available: "1" }, eth] }),
      text({ targets: { BTC: 61, ETH: 39 } }),
      text({ guardrails: { drift_band: 4 } }),
      text({ constraints: { fee_bps: 1 } }),
      text({ constraints: { lot_sizes: new Map([["BTC", "0.5"]]) } }),
      text({ constraints: { depth: "band" } }),
    ];
    expect(new Set([text(), ...others]).size).toBe(others.length + 1);
  });

  it("computes with 10^30 of something worth 10^-30", () => {
    const huge = `1${"0".repeat(30)}`;
    const tiny = `0.${"0".repeat(29)}1`;
    const result = run({
      held: [
        { asset: "DUST", quantity: `7${"0".repeat(31)}`, price: tiny },
        { asset: "ROCK", quantity: `0.${"0".repeat(28)}3`, price: huge },
      ],
      targets: { DUST: 50, ROCK: 50 },
    });
    expect(result).toMatchObject({ reason: null, sells_usd: "20", buys_usd: "20", remainder_usd: "0" });
    expect(result.orders.map(({ quantity }) => quantity)).toEqual([
      `2${"0".repeat(31)}`,
      `0.${"0".repeat(28)}2`,
    ]);
  });
});
