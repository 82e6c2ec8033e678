import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { MAX_QUOTES } from "../../services/market/contract.ts";
import { PortfolioHoldings } from "../../services/portfolios/contract/holdings.ts";
import {
  LARGE,
  type Neighbours,
  PRICED_AT,
  SMALL,
  startValued,
  type ValuedServices,
} from "./valued-services.ts";

let services: ValuedServices;
let neighbours: Neighbours;
beforeAll(async () => {
  services = await startValued();
  ({ neighbours } = services);
});
afterAll(() => services.stop());
beforeEach(() => {
  neighbours.calls.accounts = 0;
  neighbours.calls.market = 0;
});

const wallet = { account_type: "wallet", wallet_address: "0x1" } as const;
const okx = { account_type: "exchange", exchange_name: "okx" } as const;

/** A user with a portfolio of these accounts. */
async function someone(accountsOf: (userId: string) => string[], members: object = {}) {
  const userId = randomUUID();
  const user = services.as(userId);
  const { id } = await user.portfolio(members);
  const accounts = accountsOf(userId);
  await user.replace(id, accounts);
  neighbours.calls.accounts = 0;
  return { user, id, accounts };
}

describe("portfolios.holdings", () => {
  it("answers an empty portfolio without asking anybody", async () => {
    const { user, id } = await someone(() => []);
    expect(await user.holdings(id)).toEqual({
      portfolio_id: id,
      total_value_usd: "0",
      incomplete: false,
      holdings: [],
      allocation: [],
      as_of: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    });
    expect(neighbours.calls).toEqual({ accounts: 0, market: 0 });
  });

  it("adds up all accounts by asset and chain, with one call to accounts and one to market", async () => {
    const eth = neighbours.know({
      symbol: "ETH",
      price: "2000",
      by: [
        { chain: "base", native: true },
        { chain: "ethereum", native: true },
      ],
    });
    neighbours.know({ symbol: "BTC", price: "60000.5", by: [{ exchange: "okx", symbol: "BTC" }] });
    const { user, id, accounts } = await someone((userId) => [
      neighbours.account(
        userId,
        [
          { symbol: "ETH", chain: "base", quantity: "1.5", decimals: 18 },
          { symbol: "ETH", chain: "ethereum", quantity: "2" },
        ],
        { ...wallet, name: "Wallet" },
      ),
      neighbours.account(
        userId,
        [{ symbol: "ETH", chain: "base", quantity: "0.5", available: "0.4", frozen: "0.1", decimals: 18 }],
        { ...wallet, name: "Second" },
      ),
      neighbours.account(userId, [["BTC", "0.1"]], { ...okx, name: "OKX" }),
    ]);
    const holdings = await user.holdings(id);
    expect(neighbours.calls).toEqual({ accounts: 1, market: 1 });
    expect(PortfolioHoldings.parse(holdings)).toEqual(holdings);
    expect(holdings).toMatchObject({ total_value_usd: "14000.05", incomplete: false });
    expect(holdings.holdings.map(({ asset, chain, value_usd }) => [asset, chain, value_usd])).toEqual([
      ["BTC", undefined, "6000.05"],
      ["ETH", "base", "4000"],
      ["ETH", "ethereum", "4000"],
    ]);
    expect(holdings.holdings[1]).toEqual({
      asset: "ETH",
      asset_id: eth,
      chain: "base",
      total_quantity: "2",
      total_available: "1.9",
      total_frozen: "0.1",
      decimals: 18,
      normalized_quantity: "2",
      price_usd: "2000",
      value_usd: "4000",
      unpriced: false,
      price_as_of: PRICED_AT,
      price_source: "test",
      price_stale: false,
      accounts: [
        {
          account_id: accounts[0],
          account_name: "Wallet",
          quantity: "1.5",
          available: "1.5",
          frozen: "0",
          decimals: 18,
          normalized_quantity: "1.5",
        },
        {
          account_id: accounts[1],
          account_name: "Second",
          quantity: "0.5",
          available: "0.4",
          frozen: "0.1",
          decimals: 18,
          normalized_quantity: "0.5",
        },
      ],
    });
  });

  it("knows a token by its contract, an exchange's coin by its code, a manual one by the listed symbol", async () => {
    const contract = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";
    const { user, id } = await someone((userId) => [
      neighbours.account(userId, [{ symbol: "USDC", chain: "ethereum", contract, quantity: "1" }], wallet),
      neighbours.account(userId, [{ symbol: "SOL", chain: "solana", quantity: "1" }], wallet),
      neighbours.account(userId, [["XBT", "1"]], okx),
      neighbours.account(userId, [["sol", "1"], { symbol: "ETH", asset: "ETH-base", chain: "base" }]),
    ]);
    await user.holdings(id);
    expect(neighbours.asked).toEqual([
      { chain: "ethereum", contract },
      { chain: "solana", native: true },
      { exchange: "okx", symbol: "XBT" },
      { listed: "sol" },
      { listed: "ETH" },
      { listed: "BTC" },
    ]);
  });

  it("never mixes two coins of one symbol, known or not", async () => {
    const contract = (end: string) => `0x${"0".repeat(39)}${end}`;
    const by = (end: string) => [{ chain: "base", contract: contract(end) }];
    const real = neighbours.know({ symbol: "TWIN", price: "10", by: by("1") });
    const other = neighbours.know({ symbol: "TWIN", price: "0.5", by: by("2"), isListed: false });
    const token = (end: string) => ({
      symbol: "TWIN",
      chain: "base",
      contract: contract(end),
      quantity: "4",
    });
    const { user, id } = await someone((userId) => [
      neighbours.account(userId, [token("1"), token("2"), token("3")], wallet),
      neighbours.account(userId, [token("4")], wallet),
      neighbours.account(userId, [["TWIN", "4"]], okx),
    ]);
    const { holdings, total_value_usd, incomplete } = await user.holdings(id);
    expect([total_value_usd, incomplete]).toEqual(["42", true]);
    expect(
      holdings.map(({ asset, asset_id, chain, value_usd }) => [asset, asset_id, chain, value_usd]),
    ).toEqual([
      ["TWIN", real, "base", "40"],
      ["TWIN", other, "base", "2"],
      ["TWIN", undefined, undefined, null],
      ["TWIN", undefined, "base", null],
      ["TWIN", undefined, "base", null],
    ]);
  });

  it("flags what has no price, leaves it out of the total and says that this is incomplete", async () => {
    neighbours.know({ symbol: "PRICED", price: "3" });
    neighbours.know({ symbol: "PRICELESS" });
    const { user, id } = await someone((userId) => [
      neighbours.account(userId, [
        ["PRICELESS", "5"],
        ["PRICED", "2"],
        ["UNHEARD-OF", "7"],
      ]),
    ]);
    const { total_value_usd, incomplete, holdings, allocation } = await user.holdings(id);
    expect([total_value_usd, incomplete]).toEqual(["6", true]);
    expect(
      holdings.map(({ asset, price_usd, value_usd, unpriced }) => [asset, price_usd, value_usd, unpriced]),
    ).toEqual([
      ["PRICED", "3", "6", false],
      ["PRICELESS", null, null, true],
      ["UNHEARD-OF", null, null, true],
    ]);
    expect(allocation).toEqual([
      { asset: "PRICED", value_usd: "6", percentage: "100" },
      { asset: "PRICELESS", value_usd: "0", percentage: "0" },
      { asset: "UNHEARD-OF", value_usd: "0", percentage: "0" },
    ]);
  });

  it.each([
    [LARGE, SMALL, "1"],
    [LARGE, LARGE, `1${"0".repeat(60)}`],
    [SMALL, SMALL, `0.${"0".repeat(59)}1`],
    [`${"9".repeat(48)}.${"9".repeat(30)}`, "1", `${"9".repeat(48)}.${"9".repeat(30)}`],
  ])("values %s at %s exactly", async (quantity, price, value) => {
    const symbol = `X${randomUUID().slice(0, 8)}`.toUpperCase();
    neighbours.know({ symbol, price });
    const { user, id } = await someone((userId) => [neighbours.account(userId, [[symbol, quantity]])]);
    const { holdings, total_value_usd } = await user.holdings(id);
    expect(holdings[0]).toMatchObject({ total_quantity: quantity, price_usd: price, value_usd: value });
    expect(total_value_usd).toBe(value);
  });

  it("shows a price that is older than it should be as such", async () => {
    neighbours.know({ symbol: "OLD", price: "1", stale: true });
    const { user, id } = await someone((userId) => [neighbours.account(userId, [["OLD", "1"]])]);
    expect((await user.holdings(id)).holdings[0]).toMatchObject({
      price_stale: true,
      price_as_of: PRICED_AT,
    });
  });

  it("asks again only for what does not fit into one message", async () => {
    const symbols = Array.from({ length: MAX_QUOTES + 1 }, (_, index) => `S${index}`);
    const halves = [symbols.slice(0, 1000), symbols.slice(1000, 2000), symbols.slice(2000)];
    const { user, id } = await someone((userId) =>
      halves.map((half) =>
        neighbours.account(
          userId,
          half.map((symbol) => [symbol, "1"] as const),
        ),
      ),
    );
    neighbours.accountsPerMessage = 2;
    try {
      expect((await user.holdings(id)).holdings).toHaveLength(symbols.length);
    } finally {
      neighbours.accountsPerMessage = 100;
    }
    expect(neighbours.calls).toEqual({ accounts: 2, market: 2 });
  });

  it.each([
    ["one reply takes", 3, "1".repeat(77)],
    ["is valued at once", 21, "1"],
  ])(
    "says so when the accounts hold more than %s; they can be listed all the same",
    async (_, count, quantity) => {
      const held = Array.from({ length: 1000 }, (_, index) => [`S${index}`, quantity] as const);
      const { user, id, accounts } = await someone((userId) =>
        Array.from({ length: count }, () => neighbours.account(userId, held)),
      );
      await expect(user.holdings(id)).rejects.toMatchObject({ type: "PORTFOLIO_TOO_LARGE" });
      expect((await user.accounts(id)).items.map((account) => account.id)).toEqual(accounts);
      expect((await user.replace(id, accounts.slice(1))).map((account) => account.id)).toEqual(
        accounts.slice(1),
      );
    },
  );

  it("takes what is called as no market could call it for unknown", async () => {
    const { user, id } = await someone((userId) => [
      neighbours.account(userId, [["L".repeat(81), "1"]]),
      neighbours.account(userId, [["\ud800", "1"]], okx),
    ]);
    expect((await user.holdings(id)).holdings.map(({ unpriced }) => unpriced)).toEqual([true, true]);
    expect(neighbours.calls.market).toBe(0);
  });

  it("leaves out an account that is no longer there", async () => {
    neighbours.know({ symbol: "LEFT", price: "1" });
    const { user, id, accounts } = await someone((userId) => [
      neighbours.account(userId, [["LEFT", "1"]]),
      neighbours.account(userId, [["LEFT", "2"]]),
    ]);
    neighbours.remove(accounts[0] as string);
    expect((await user.holdings(id)).total_value_usd).toBe("2");
  });

  it("is answered each their own, when many ask at once", async () => {
    neighbours.know({ symbol: "MANY", price: "1" });
    const portfolios = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        someone((userId) => [neighbours.account(userId, [["MANY", String(index + 1)]])]),
      ),
    );
    const totals = await Promise.all(
      portfolios.map(async ({ user, id }) => (await user.holdings(id)).total_value_usd),
    );
    expect(totals).toEqual(portfolios.map((_, index) => String(index + 1)));
  });
});
