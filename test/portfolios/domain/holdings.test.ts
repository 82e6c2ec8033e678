import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { storedAllocation } from "../../../services/portfolios/domain/allocation.ts";
import { decimal, plain, sum } from "../../../services/portfolios/domain/decimals.ts";
import {
  type AccountHoldings,
  aggregateHoldings,
  type Holding,
  type Prices,
} from "../../../services/portfolios/domain/holdings.ts";
import { quantities } from "./arbitraries.ts";

const price = (price_usd: string) => ({
  price_usd,
  as_of: "2026-01-31T09:30:00.000Z",
  source: "test",
  stale: false,
});
const prices: Prices = new Map([
  ["eth", price("2000")],
  ["btc", price("60000")],
  ["usdc", price("1")],
]);
const account = (name: string, ...holdings: Holding[]): AccountHoldings => ({
  account_id: `id of ${name}`,
  account_name: name,
  holdings,
});
const eth = (chain: string, quantity: string): Holding => ({
  asset: "ETH",
  asset_id: "eth",
  chain,
  quantity,
});

describe("aggregateHoldings", () => {
  it("has one row per asset and chain, and each account's part in it", () => {
    const { holdings } = aggregateHoldings(
      [
        account("One", eth("base", "1"), eth("ethereum", "1.5")),
        account("Two", { ...eth("ethereum", "0.50"), available: "0.3", frozen: "0.2", decimals: 18 }),
      ],
      prices,
    );
    expect(holdings).toEqual([
      {
        asset: "ETH",
        asset_id: "eth",
        chain: "ethereum",
        total_quantity: "2",
        total_available: "1.8",
        total_frozen: "0.2",
        normalized_quantity: "2",
        price_usd: "2000",
        value_usd: "4000",
        unpriced: false,
        price_as_of: "2026-01-31T09:30:00.000Z",
        price_source: "test",
        price_stale: false,
        accounts: [
          {
            account_id: "id of One",
            account_name: "One",
            quantity: "1.5",
            available: "1.5",
            frozen: "0",
            normalized_quantity: "1.5",
          },
          {
            account_id: "id of Two",
            account_name: "Two",
            quantity: "0.5",
            available: "0.3",
            frozen: "0.2",
            decimals: 18,
            normalized_quantity: "0.5",
          },
        ],
      },
      expect.objectContaining({ asset: "ETH", chain: "base", total_quantity: "1", value_usd: "2000" }),
    ]);
  });

  it.each([
    [{}, "10", "0"],
    [{ frozen: "4" }, "6", "4"],
    [{ available: "3" }, "3", "0"],
    [{ available: "3", frozen: "7" }, "3", "7"],
    [{ frozen: "11" }, "0", "11"],
  ])("takes %j of 10 as %s available and %s frozen", (given, available, frozen) => {
    const { holdings } = aggregateHoldings([account("One", { ...eth("base", "10"), ...given })], prices);
    expect(holdings[0]).toMatchObject({ total_available: available, total_frozen: frozen });
  });

  it("flags what has no price and leaves it out of the total, which is incomplete then", () => {
    const result = aggregateHoldings(
      [account("One", { asset: "NEW", quantity: "7" }, eth("base", "1"))],
      prices,
    );
    expect(result).toMatchObject({ total_value_usd: "2000", incomplete: true });
    expect(result.holdings[1]).toMatchObject({
      asset: "NEW",
      price_usd: null,
      value_usd: null,
      unpriced: true,
    });
    expect(result.allocation).toEqual([
      { asset: "ETH", chain: "base", value_usd: "2000", percentage: "100" },
      { asset: "NEW", value_usd: "0", percentage: "0" },
    ]);
  });

  it("never mixes two coins with one symbol", () => {
    const fake = { asset: "ETH", asset_id: "fake", chain: "base", quantity: "1000000" };
    const { holdings, total_value_usd } = aggregateHoldings([account("One", eth("base", "1"), fake)], prices);
    expect(holdings.map(({ asset_id, unpriced }) => [asset_id, unpriced])).toEqual([
      ["eth", false],
      ["fake", true],
    ]);
    expect(total_value_usd).toBe("2000");
  });

  it("has one row for an asset that accounts spell differently, whichever comes first", () => {
    const [old, now] = ["XBT", "BTC"].map((asset) =>
      account(asset, { asset, asset_id: "btc", quantity: "1" }),
    );
    for (const accounts of [
      [old, now],
      [now, old],
    ] as AccountHoldings[][])
      expect(aggregateHoldings(accounts, prices).holdings).toEqual([
        expect.objectContaining({ asset: "BTC", total_quantity: "2" }),
      ]);
  });

  it("sorts by value, then asset, then chain, and what has no price last", () => {
    const { holdings } = aggregateHoldings(
      [
        account(
          "One",
          { asset: "AAA", quantity: "5" },
          { asset: "USDC", asset_id: "usdc", chain: "base", quantity: "2000" },
          eth("optimism", "1"),
          eth("base", "1"),
          { asset: "BTC", asset_id: "btc", quantity: "0.1" },
          { asset: "USDC", asset_id: "usdc", quantity: "0" },
        ),
      ],
      prices,
    );
    expect(holdings.map(({ asset, chain }) => `${asset} ${chain ?? ""}`.trim())).toEqual([
      "BTC",
      "ETH base",
      "ETH optimism",
      "USDC base",
      "USDC",
      "AAA",
    ]);
  });

  it("values an empty portfolio at 0", () => {
    const empty = { total_value_usd: "0", incomplete: false, holdings: [], allocation: [] };
    expect(aggregateHoldings([], prices)).toEqual(empty);
    expect(aggregateHoldings([account("One")], prices)).toEqual(empty);
  });

  it("keeps each digit of 10^30 and of 10^-30", () => {
    const tiny = `0.${"0".repeat(29)}1`;
    const huge = `1${"0".repeat(30)}`;
    const { holdings, total_value_usd } = aggregateHoldings(
      [account("One", eth("base", huge)), account("Two", eth("base", tiny))],
      prices,
    );
    expect(holdings[0]?.total_quantity).toBe(`${huge}.${"0".repeat(29)}1`);
    expect(total_value_usd).toBe(`2${"0".repeat(33)}.${"0".repeat(26)}2`);
  });

  it("states decimals only where all accounts agree", () => {
    const withDecimals = (decimals: number) => account("One", { ...eth("base", "1"), decimals });
    expect(aggregateHoldings([withDecimals(18), withDecimals(18)], prices).holdings[0]?.decimals).toBe(18);
    expect(aggregateHoldings([withDecimals(18), withDecimals(8)], prices).holdings[0]).not.toHaveProperty(
      "decimals",
    );
  });

  it.each([
    ["a negative quantity", { quantity: "-1" }],
    ["a quantity that is no number", { quantity: "many" }],
    ["a negative amount frozen", { quantity: "1", frozen: "-1" }],
  ])("refuses %s", (_, holding) => {
    expect(() => aggregateHoldings([account("One", { ...eth("base", "1"), ...holding })], prices)).toThrow();
  });

  const holding = fc
    .record({
      asset_id: fc.constantFrom("eth", "btc", "usdc", "unpriced"),
      chain: fc.constantFrom("base", "ethereum"),
      quantity: quantities,
    })
    .map((parts): Holding => ({ ...parts, asset: parts.asset_id.toUpperCase() }));

  it("loses nothing: totals are the sums of their parts, and percentages add up to 100", () => {
    fc.assert(
      fc.property(fc.array(fc.array(holding, { maxLength: 8 }), { maxLength: 6 }), (lists) => {
        const result = aggregateHoldings(
          lists.map((holdings, index) => account(`Account ${index}`, ...holdings)),
          prices,
        );
        const held = sum(lists.flat().map(({ quantity }) => decimal(quantity)));
        expect(plain(sum(result.holdings.map(({ total_quantity }) => decimal(total_quantity))))).toBe(
          plain(held),
        );
        expect(plain(sum(result.holdings.map(({ value_usd }) => decimal(value_usd ?? "0"))))).toBe(
          result.total_value_usd,
        );
        const percent = plain(sum(result.allocation.map(({ percentage }) => decimal(percentage))));
        expect(percent).toBe(result.total_value_usd === "0" ? "0" : "100");
      }),
      { numRuns: 60 },
    );
  });

  it("does not depend on the order of the holdings", () => {
    const lists = fc.array(holding, { maxLength: 10 });
    fc.assert(
      fc.property(
        lists.chain((list) =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
        ),
        ([list, shuffled]) => {
          const of = (holdings: readonly Holding[]) => {
            const result = aggregateHoldings([account("One", ...holdings)], prices);
            return { ...result, holdings: result.holdings.map(({ accounts, ...row }) => row) };
          };
          expect(of(shuffled)).toEqual(of(list));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("storedAllocation", () => {
  it("keeps what has no price with value 0, weight 0 and no price", () => {
    const holdings = aggregateHoldings(
      [account("One", { asset: "NEW", quantity: "7" }, eth("base", "1"), eth("ethereum", "2"))],
      prices,
    );
    expect(storedAllocation(holdings)).toEqual({
      total_value_usd: "6000",
      holdings: [
        {
          asset: "ETH",
          chain: "ethereum",
          quantity: "2",
          price_usd: "2000",
          value_usd: "4000",
          weight: "66.66666667",
          unpriced: false,
        },
        {
          asset: "ETH",
          chain: "base",
          quantity: "1",
          price_usd: "2000",
          value_usd: "2000",
          weight: "33.33333333",
          unpriced: false,
        },
        { asset: "NEW", quantity: "7", value_usd: "0", weight: "0", unpriced: true },
      ],
    });
  });
});
