import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Recommendation } from "../../services/portfolios/contract/recommendation-members.ts";
import { Decimal } from "../../services/portfolios/domain/decimals.ts";
import {
  assetId,
  type Held,
  OFF_TARGET,
  PRICED_AT,
  type RecommendationServices,
  startRecommendations,
} from "./recommendation-services.ts";

let services: RecommendationServices;

beforeAll(async () => {
  services = await startRecommendations();
});
afterAll(() => services.stop());

/** A user with a portfolio that holds this. */
async function someone(held: readonly Held[] = OFF_TARGET, members: object = {}) {
  const user = services.as(randomUUID());
  const { id } = await user.portfolio(members);
  services.hold(id, held);
  return { user, id, hold: (now: readonly Held[]) => services.hold(id, now) };
}

type Someone = Awaited<ReturnType<typeof someone>>;

async function generate({ user, id }: Someone, constraints: object = {}): Promise<Recommendation> {
  const { recommendations, total_count, portfolio_id } = await user.generate(id, constraints);
  expect([recommendations.length, total_count, portfolio_id]).toEqual([1, 1, id]);
  return Recommendation.parse(recommendations[0]);
}

async function statesOf({ user, id }: Someone): Promise<string[]> {
  return (await user.list(id)).recommendations.map(({ status }) => status);
}

/** Sells + cash added = buys + fees + cash out, each figure as it is on the wire. */
function expectToAddUp({ proposed_orders, metadata }: Recommendation): void {
  const worth = (action: string) =>
    Decimal.sum(
      0,
      ...proposed_orders
        .filter((order) => order.action === action)
        .map(({ quantity, estimated_price, estimated_value_usd }) => {
          expect(new Decimal(quantity).times(estimated_price).toFixed()).toBe(estimated_value_usd);
          return estimated_value_usd;
        }),
    );
  const { sells_usd, buys_usd, fees_usd, cash_added_usd, cash_out_usd } = metadata ?? {};
  expect(worth("sell").toFixed()).toBe(sells_usd);
  expect(worth("buy").toFixed()).toBe(buys_usd);
  const comesIn = worth("sell").plus(cash_added_usd ?? "none");
  const goesOut = worth("buy")
    .plus(fees_usd ?? "none")
    .plus(cash_out_usd ?? "none");
  expect(comesIn.toFixed()).toBe(goesOut.toFixed());
}

describe("portfolios.generateRecommendations", () => {
  it("answers what brings the portfolio to its targets, and on what that stands", async () => {
    const one = await someone();
    const made = await generate(one);
    expect(made).toMatchObject({
      portfolio_id: one.id,
      status: "pending",
      recommendation_type: "rebalance",
      proposed_orders: [
        {
          action: "sell",
          asset: "BTC",
          asset_id: assetId("BTC"),
          quantity: "0.02",
          estimated_price: "60000",
          estimated_value_usd: "1200",
        },
        {
          action: "buy",
          asset: "ETH",
          asset_id: assetId("ETH"),
          quantity: "0.6",
          estimated_price: "2000",
          estimated_value_usd: "1200",
        },
      ],
      expected_impact: "1200",
      price_as_of: PRICED_AT,
      inputs_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      executed_at: null,
      version: 1,
    });
    expect(made.metadata).toMatchObject({ drift_percentage: 15, drift_percentage_after: 0, fees_usd: "0" });
    expect(made.rationale).toBe(
      "BTC is 75 % of the value and should be 60 %; ETH is 25 % of the value and should be 40 %; " +
        "more than 5 points off is outside the band. " +
        "Sell 0.02 BTC (1200.00 US dollars), and buy 0.6 ETH (1200.00 US dollars). " +
        "Then the largest difference from a target is 0 % instead of 15 %.",
    );
    expect(Date.parse(made.expires_at as string) - Date.parse(made.created_at)).toBe(86_400_000);
    expectToAddUp(made);
    expect(await one.user.get(one.id, made.id)).toEqual(made);
  });

  it("answers the same one, not a second, while its inputs are the same and it is pending", async () => {
    const one = await someone();
    const first = await generate(one);
    one.hold([...OFF_TARGET].reverse().map((held) => ({ ...held, price: `${held.price}.000` })));
    expect(await generate(one, { valid_for_seconds: 60, min_trade_usd: "0.00" })).toEqual(first);
    expect(await statesOf(one)).toEqual(["pending"]);
    await one.user.move("reject", one.id, first.id);
    const second = await generate(one);
    expect(second.id).not.toBe(first.id);
    expect(second.inputs_hash).toBe(first.inputs_hash);
    expect(second.proposed_orders).toEqual(first.proposed_orders);
    expect(second.rationale).toBe(first.rationale);
    expect(await statesOf(one)).toEqual(["pending", "rejected"]);
  });

  it("makes one when 20 generate at once, and leaves one pending whatever they generate with", async () => {
    const one = await someone();
    const same = await Promise.all(Array.from({ length: 20 }, () => generate(one)));
    expect(new Set(same.map(({ id }) => id)).size).toBe(1);
    expect(await statesOf(one)).toEqual(["pending"]);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => generate(one, { cash_in_usd: String(index % 5) })),
    );
    const states = await statesOf(one);
    expect(states.filter((state) => state === "pending")).toHaveLength(1);
    expect(new Set(states)).toEqual(new Set(["pending", "expired"]));
  });

  it("lets an older one expire when the inputs are others, or when there is nothing to do", async () => {
    const one = await someone();
    const first = await generate(one);
    const own = await one.user.create(one.id);
    one.hold([{ asset: "BTC", quantity: "0.1", price: "61000" }, ...OFF_TARGET.slice(1)]);
    const second = await generate(one);
    expect(second.inputs_hash).not.toBe(first.inputs_hash);
    const expired = await one.user.get(one.id, first.id);
    expect(expired).toMatchObject({ status: "expired", version: 2 });
    expect((expired.expires_at as string) > expired.updated_at).toBe(true);
    one.hold([
      { asset: "BTC", quantity: "0.06", price: "1000" },
      { asset: "ETH", quantity: "2", price: "20" },
    ]);
    expect(await one.user.generate(one.id)).toEqual({
      portfolio_id: one.id,
      recommendations: [],
      total_count: 0,
    });
    expect((await one.user.get(one.id, second.id)).status).toBe("expired");
    expect((await one.user.get(one.id, own.id)).status).toBe("pending");
  });

  it("leaves what was approved alone", async () => {
    const one = await someone();
    const first = await generate(one);
    await one.user.move("approve", one.id, first.id);
    await generate(one, { cash_in_usd: "1000" });
    expect(await statesOf(one)).toEqual(["pending", "approved"]);
  });

  it("says which prices are old, and what has none", async () => {
    const [btc, eth] = OFF_TARGET as [Held, Held];
    const one = await someone([btc, { ...eth, stale: true }, { asset: "DUST", quantity: "7" }]);
    const { metadata, rationale } = await generate(one);
    expect(metadata).toMatchObject({ stale_prices: ["ETH"], incomplete: true, untradable: ["DUST"] });
    expect(rationale).toMatch(/Left out, for want of a price: DUST\.$/);
  });

  it("names the limit that keeps a weight outside its band", async () => {
    const [btc, eth] = OFF_TARGET as [Held, Held];
    const one = await someone([{ ...btc, available: "0.005" }, eth]);
    const { metadata, rationale } = await generate(one);
    const weight = metadata?.weights?.find(({ asset }) => asset === "BTC");
    expect(weight).toMatchObject({ within_band: false, reason: "not_available", target_pct: 60 });
    expect(rationale).toMatch(/Still outside: .*BTC, because it is frozen/);
  });

  it("has no null and no text in the numbers of its metadata", async () => {
    const one = await someone([...OFF_TARGET, { asset: "USDC", quantity: "100", price: "1" }], {
      guardrails: { stablecoin_min: 10, drift_band: 0.0000001 },
    });
    const made = await generate(one);
    expect(JSON.stringify(made.metadata)).not.toMatch(/:null|:-?[\d.]+[eE]/);
    for (const [name, figure] of Object.entries(made.metadata ?? {})) {
      if (name.startsWith("drift_percentage")) expect(typeof figure).toBe("number");
      if (name.endsWith("_usd")) expect(figure).toMatch(/^\d+(\.\d+)?$/);
    }
    expect(made.rationale).toContain("Stablecoins are 1.23 % of the value, less than the least of 10 %.");
    expectToAddUp(made);
  });
});

describe("the constraints of portfolios.generateRecommendations", () => {
  it("keep to the smallest order, from the request or from the guardrails", async () => {
    const one = await someone(OFF_TARGET, { guardrails: { min_trade_usd: 1300 } });
    expect((await one.user.generate(one.id)).recommendations).toEqual([]);
    const made = await generate(one, { min_trade_usd: "1200" });
    expect(made.proposed_orders.map(({ estimated_value_usd }) => estimated_value_usd)).toEqual([
      "1200",
      "1200",
    ]);
    expect((await one.user.generate(one.id, { min_trade_usd: 1200.5 })).recommendations).toEqual([]);
  });

  it("keep to whole lots, by symbol or by id", async () => {
    const one = await someone();
    const made = await generate(one, { lot_sizes: { btc: "0.003", [assetId("ETH")]: "0.25", DOGE: "1000" } });
    for (const { asset, quantity } of made.proposed_orders) {
      const lots = new Decimal(quantity).div(asset === "BTC" ? "0.003" : "0.25");
      expect(lots.isInteger()).toBe(true);
    }
    expectToAddUp(made);
  });

  it.each([0, 10, 12.5, 0.0001])("pay a fee of %d basis points, and add up exactly", async (fee_bps) => {
    const one = await someone([
      { asset: "BTC", quantity: "0.123456789012345678", price: "61234.56789" },
      { asset: "ETH", quantity: "1.000000000000000001", price: "2345.678901" },
    ]);
    const made = await generate(one, { fee_bps });
    expectToAddUp(made);
    const fees = new Decimal(made.metadata?.turnover_usd ?? "none").times(fee_bps).div(10_000);
    expect(made.metadata?.fees_usd).toBe(fees.toFixed());
    expect(/for fees of/.test(made.rationale)).toBe(fee_bps > 0);
  });

  it("invest and take out cash", async () => {
    const one = await someone();
    const more = await generate(one, { cash_in_usd: "2000.50" });
    expect(more.metadata).toMatchObject({ cash_added_usd: "2000.5" });
    expect(more.rationale).toContain("2000.50 US dollars are to be invested.");
    expectToAddUp(more);
    const less = await generate(one, { cash_out_usd: 1000, fee_bps: 10 });
    expect(new Decimal(less.metadata?.cash_out_usd ?? 0).toNumber()).toBeGreaterThanOrEqual(1000);
    expect(less.rationale).toContain("1000.00 US dollars are to be taken out.");
    expectToAddUp(less);
  });

  it("sell nothing where only buying is allowed", async () => {
    const one = await someone();
    const made = await generate(one, { buy_only: true, cash_in_usd: "1000" });
    expect(made.proposed_orders.map(({ action, asset }) => [action, asset])).toEqual([["buy", "ETH"]]);
    expectToAddUp(made);
  });

  it("go into the band and no further", async () => {
    const one = await someone();
    const made = await generate(one, { depth: "band" });
    const after = made.metadata?.drift_percentage_after ?? 100;
    expect(after).toBeGreaterThan(4);
    expect(after).toBeLessThanOrEqual(5);
    expectToAddUp(made);
  });

  it("say how long it is valid", async () => {
    const made = await generate(await someone(), { valid_for_seconds: 3600 });
    expect(Date.parse(made.expires_at as string) - Date.parse(made.created_at)).toBe(3_600_000);
  });

  it("add up to the last digit with 10^30 and 10^-30", async () => {
    const one = await someone([
      { asset: "BTC", quantity: `1${"0".repeat(30)}`, price: `0.${"0".repeat(29)}1` },
      { asset: "ETH", quantity: `0.${"0".repeat(29)}1`, price: `3${"0".repeat(30)}` },
    ]);
    expectToAddUp(await generate(one, { fee_bps: 7 }));
  });
});

describe("what nothing can be recommended for", () => {
  const [btc] = OFF_TARGET as [Held];
  it.each<[string, readonly Held[], object, object, string, RegExp]>([
    ["no targets", OFF_TARGET, { target_allocation: null }, {}, "TARGETS_MISSING", /./],
    ["nothing of value", [], {}, {}, "RECOMMENDATION_NOT_POSSIBLE", /no price .*: BTC, ETH\.$/],
    [
      "nothing held",
      OFF_TARGET.map((held) => ({ ...held, quantity: "0" })),
      {},
      {},
      "RECOMMENDATION_NOT_POSSIBLE",
      /has a value/,
    ],
    ["a target without a price", [btc], {}, {}, "RECOMMENDATION_NOT_POSSIBLE", /no price .*: ETH\.$/],
    [
      "a target that is not listed",
      OFF_TARGET,
      { target_allocation: { BTC: 60, UNLISTED: 40 } },
      {},
      "RECOMMENDATION_NOT_POSSIBLE",
      /: UNLISTED\.$/,
    ],
    [
      "more cash than there is",
      OFF_TARGET,
      {},
      { cash_out_usd: "8000.01" },
      "RECOMMENDATION_NOT_POSSIBLE",
      /does not bring in/,
    ],
    [
      "cash out without selling",
      OFF_TARGET,
      {},
      { cash_out_usd: "1", buy_only: true },
      "RECOMMENDATION_NOT_POSSIBLE",
      /nothing may be sold/,
    ],
  ])("%s: is told, and changes nothing", async (_, held, members, constraints, type, detail) => {
    const one = await someone();
    const before = await generate(one);
    await one.user.updatePortfolio(one.id, members);
    one.hold(held);
    await expect(one.user.generate(one.id, constraints)).rejects.toMatchObject({
      code: 422,
      type,
      ...(type !== "TARGETS_MISSING" && { data: { detail: expect.stringMatching(detail) } }),
    });
    expect(await one.user.get(one.id, before.id)).toEqual(before);
  });

  it("more orders than one recommendation holds: is told, with what helps", async () => {
    const digits = "1".repeat(30);
    const many = Array.from({ length: 2500 }, (_, index) => ({
      asset: `${"X".repeat(50)}${index}`,
      quantity: `1.${digits}${digits}`,
      price: `1.${digits}${digits}`,
    }));
    const one = await someone([...OFF_TARGET, ...many]);
    await expect(one.user.generate(one.id)).rejects.toMatchObject({
      type: "RECOMMENDATION_NOT_POSSIBLE",
      data: { detail: expect.stringMatching(/larger min_trade_usd/) },
    });
  });
});
