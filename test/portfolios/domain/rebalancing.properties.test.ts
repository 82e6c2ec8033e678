import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Guardrails } from "../../../services/portfolios/contract/portfolio.ts";
import { Decimal, decimal, plain } from "../../../services/portfolios/domain/decimals.ts";
import { type Rebalancing, rebalance } from "../../../services/portfolios/domain/rebalancing.ts";
import type { Constraints } from "../../../services/portfolios/domain/rebalancing-assets.ts";
import { type Held, rebalancingInput } from "./rebalancing-input.ts";

interface Case {
  readonly held: readonly Held[];
  readonly targets: Readonly<Record<string, number>>;
  readonly guardrails: Guardrails;
  readonly constraints: Constraints;
}

const ASSETS = ["BTC", "ETH", "USDC", "SOL", "DOGE", "BTC-PERP"];

const holding = fc
  .record({
    cents: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 10_000_000 })),
    price: fc.constantFrom("1", "60000", "3000.57", "0.00001234", "150.37", "0.3333", "1e-9"),
    free: fc.constantFrom(1, 1, 1, 0.5, 0),
  })
  .map(({ cents, price, free }) => {
    const perUnit = new Decimal(price);
    const quantity = new Decimal(cents).div(100).div(perUnit).toDecimalPlaces(18);
    return {
      quantity: plain(quantity),
      available: plain(quantity.times(free).toDecimalPlaces(18, Decimal.ROUND_DOWN)),
      price: plain(perUnit),
    };
  });

const constraints = fc.record({
  min_trade_usd: fc.constantFrom("0", "0", "10", "250.5"),
  fee_bps: fc.constantFrom(0, 10, 33, 500, 10_000),
  lot_sizes: fc.constantFrom<ReadonlyMap<string, string>>(
    new Map(),
    new Map([["BTC", "0.01"]]),
    new Map([
      ["ETH", "1"],
      ["SOL", "0.5"],
    ]),
  ),
  cash_to_add_usd: fc.constantFrom("0", "0", "100", "1234.56"),
  cash_to_take_out_usd: fc.constantFrom("0", "0", "0", "50", "999.99"),
  buy_only: fc.constantFrom(false, false, false, true),
  depth: fc.constantFrom("target" as const, "band" as const),
});

const guardrails = fc.record(
  {
    drift_band: fc.constantFrom(0, 1, 5),
    stablecoin_min: fc.constantFrom(0, 5, 20),
    max_alt_cap: fc.constantFrom(100, 30),
    futures_cap: fc.constantFrom(100, 10),
  },
  { requiredKeys: [] },
);

const cases: fc.Arbitrary<Case> = fc
  .record({
    holdings: fc.array(holding, { minLength: 1, maxLength: ASSETS.length }),
    parts: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: ASSETS.length, maxLength: ASSETS.length }),
    guardrails,
    constraints,
  })
  .map(({ holdings, parts, ...rules }) => {
    const held = holdings.map((one, index) => ({ asset: ASSETS[index] ?? "", ...one }));
    const used = parts.slice(0, held.length).map((part, index) => (index === 0 ? part + 1 : part));
    const total = used.reduce((sum, part) => sum + part, 0);
    const targets = held.map(({ asset }, index) => [
      asset,
      Math.round(((used[index] ?? 0) / total) * 10_000) / 100,
    ]);
    return { held, targets: Object.fromEntries(targets) as Record<string, number>, ...rules };
  });

const run = (one: Case) => rebalance(rebalancingInput(one));

/** What is held once the orders were carried out. What was bought is available. */
function carriedOut({ held }: Case, { orders }: Rebalancing): Held[] {
  return held.map((one) => {
    const order = orders.find(({ asset }) => asset === one.asset);
    if (!order) return one;
    const change = decimal(order.quantity).times(order.action === "buy" ? 1 : -1);
    return {
      ...one,
      quantity: plain(decimal(one.quantity).plus(change)),
      available: plain(decimal(one.available ?? one.quantity).plus(change)),
    };
  });
}

function holdsFor(check: (one: Case, result: Rebalancing) => void, numRuns = 250): void {
  fc.assert(
    fc.property(cases, (one) => check(one, run(one))),
    { numRuns },
  );
}

describe("rebalance, whatever the portfolio", () => {
  it("creates and loses no money: sells + cash added = buys + fees + cash out, exactly", () => {
    holdsFor((one, result) => {
      const { sells_usd, buys_usd, fees_usd, cash_added_usd, cash_out_usd, remainder_usd } = result;
      const of = (action: string) =>
        result.orders
          .filter((order) => order.action === action)
          .reduce(
            (sum, order) => sum.plus(decimal(order.quantity).times(order.estimated_price)),
            new Decimal(0),
          );
      expect(plain(of("sell"))).toBe(sells_usd);
      expect(plain(of("buy"))).toBe(buys_usd);
      const fee = new Decimal(one.constraints.fee_bps ?? 0).div(10_000);
      expect(plain(of("sell").plus(of("buy")).times(fee))).toBe(fees_usd);
      expect(plain(decimal(sells_usd).plus(cash_added_usd))).toBe(
        plain(decimal(buys_usd).plus(fees_usd).plus(cash_out_usd)),
      );
      expect(decimal(remainder_usd).isNegative()).toBe(false);
      if (result.reason === null)
        expect(plain(decimal(cash_out_usd).minus(remainder_usd))).toBe(
          plain(decimal(one.constraints.cash_to_take_out_usd ?? "0")),
        );
    });
  });

  it("sells no more than is available, and nothing where it may only buy", () => {
    holdsFor((one, result) => {
      for (const { available } of carriedOut(one, result))
        expect(decimal(available ?? "0").isNegative()).toBe(false);
      if (one.constraints.buy_only) expect(result.sells_usd).toBe("0");
    });
  });

  it("proposes whole lots, one order per asset, none under the minimum", () => {
    holdsFor((one, result) => {
      const minimum = Decimal.max("0.01", one.constraints.min_trade_usd ?? "0");
      expect(new Set(result.orders.map(({ asset }) => asset)).size).toBe(result.orders.length);
      for (const { asset, quantity, estimated_value_usd } of result.orders) {
        expect(decimal(estimated_value_usd).greaterThanOrEqualTo(minimum)).toBe(true);
        const lot = one.constraints.lot_sizes?.get(asset);
        if (lot) expect(decimal(quantity).mod(lot).isZero()).toBe(true);
      }
    });
  });

  it("gives no orders once its orders were carried out", () => {
    holdsFor((one, result) => {
      if (result.reason !== null) return;
      const again = run({
        ...one,
        held: carriedOut(one, result),
        constraints: { ...one.constraints, cash_to_add_usd: "0", cash_to_take_out_usd: "0" },
      });
      expect(again.orders).toEqual([]);
    });
  });

  // No proof, so the cases are the same each time: tens of thousands of others had a plan, too.
  it("finds a plan that leaves nothing to do", () => {
    fc.assert(
      fc.property(cases, (one) => expect(run(one).reason).not.toBe("no_stable_plan")),
      { numRuns: 250, seed: 20260131 },
    );
  });

  it("brings each weight into its band, or says why not", () => {
    holdsFor((_, result) => {
      if (result.reason !== null) return;
      for (const { within_band, reason } of result.weights) expect(reason === null).toBe(within_band);
      for (const { breached, reason } of result.guardrails) expect(reason === null).toBe(!breached);
    });
  });

  it("brings all weights into their bands where nothing stands in the way", () => {
    const free = cases.map((one) => ({
      ...one,
      held: one.held.map(({ available, ...rest }) => ({ ...rest })),
      guardrails: { drift_band: 1 },
      constraints: { fee_bps: 10, depth: one.constraints.depth ?? ("target" as const) },
    }));
    fc.assert(
      fc.property(free, (one) => {
        const result = run(one);
        const value = one.held.reduce(
          (sum, { quantity, price = "0" }) => sum.plus(decimal(quantity).times(price)),
          new Decimal(0),
        );
        // Of a portfolio of ten dollars, a cent is within every band.
        fc.pre(value.greaterThan(10));
        expect(result.weights.filter(({ within_band }) => !within_band)).toEqual([]);
        expect(decimal(result.remainder_usd).lessThan("0.1")).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it("does not depend on the order of what is held", () => {
    fc.assert(
      fc.property(
        cases.chain((one) =>
          fc.tuple(fc.constant(one), fc.shuffledSubarray([...one.held], { minLength: one.held.length })),
        ),
        ([one, held]) => {
          const input = rebalancingInput(one);
          expect(rebalance({ ...input, positions: input.positions.toReversed() })).toEqual(rebalance(input));
          expect(run({ ...one, held })).toEqual(run(one));
        },
      ),
      { numRuns: 80 },
    );
  });
});
