import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { MAX_QUOTES, market, type Quote } from "../../services/market/contract.ts";
import { startMarket, type TestMarket } from "./service.ts";

const USDC = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";
const BONK = "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263";

let service: TestMarket;

beforeAll(async () => {
  service = await startMarket({ PRICE_MAX_AGE_SECS: "3600" });
});
afterAll(() => service.stop());

async function quotes(...assets: object[]): Promise<(Quote | null)[]> {
  const answer = await service.asService<(Quote | null)[]>("quotes", { assets });
  return market.actions.quotes.result.parse(answer);
}

async function addAsset(symbol: string, price?: { usd: string; asOf: string }): Promise<string> {
  const id = randomUUID();
  await service.database.query("insert into market.assets (id, symbol, name) values ($1, $2, $3)", [
    id,
    symbol,
    `Coin ${id}`,
  ]);
  if (price) {
    await service.database.query(
      "insert into market.prices (asset_id, price_usd, source, as_of) values ($1, $2, 'test', $3)",
      [id, price.usd, price.asOf],
    );
  }
  return id;
}

describe("market.quotes", () => {
  it("knows an asset by id, contract, exchange symbol, or as a chain's native coin", async () => {
    const [byContract, bySymbol, native] = await quotes(
      { chain: "ethereum", contract: USDC },
      { exchange: "okx", symbol: "BTC" },
      { chain: "solana", native: true },
    );
    expect(byContract).toMatchObject({ symbol: "USDC", name: "USD Coin", decimals: 6, price_usd: "1" });
    expect(bySymbol).toMatchObject({ symbol: "BTC", name: "Bitcoin", decimals: 8 });
    expect(native).toMatchObject({ symbol: "SOL", decimals: 9 });
    expect(await quotes({ id: byContract?.asset_id })).toEqual([byContract]);
  });

  it("answers in the order asked for, repeats included, and null for what it does not know", async () => {
    const unknown = [
      { id: randomUUID() },
      { chain: "base", contract: USDC },
      { chain: "nowhere", contract: USDC },
      { chain: "nowhere", native: true },
      { exchange: "okx", symbol: "btc" },
      { exchange: "nowhere", symbol: "BTC" },
    ];
    const asked = [{ chain: "bsc", native: true }, ...unknown, { exchange: "okx", symbol: "ETH" }];
    const answer = await quotes(...asked, { chain: "bsc", native: true });
    expect(answer.map((quote) => quote?.symbol)).toEqual([
      "BNB",
      ...unknown.map(() => undefined),
      "ETH",
      "BNB",
    ]);
    expect(await quotes()).toEqual([]);
  });

  it("folds the case of EVM contracts, and not that of Solana's", async () => {
    const cases = [USDC, USDC.toLowerCase(), `0x${USDC.slice(2).toUpperCase()}`];
    const found = await quotes(...cases.map((contract) => ({ chain: "ethereum", contract })));
    expect(found.map((quote) => quote?.symbol)).toEqual(["USDC", "USDC", "USDC"]);
    const solana = await quotes(
      { chain: "solana", contract: BONK },
      { chain: "solana", contract: BONK.toLowerCase() },
    );
    expect(solana.map((quote) => quote?.symbol)).toEqual(["BONK", undefined]);
  });

  it("answers a contract's own decimals, which differ between chains", async () => {
    const found = await quotes(
      { chain: "ethereum", contract: USDC },
      { chain: "bsc", contract: "0x8AC76a51cc950d9822D68b83fE1Ad97B32Cd580d" },
    );
    expect(found.map((quote) => [quote?.symbol, quote?.decimals])).toEqual([
      ["USDC", 6],
      ["USDC", 18],
    ]);
    expect(found[0]?.asset_id).toBe(found[1]?.asset_id);
  });

  it("never mixes two coins that have one symbol", async () => {
    const asOf = new Date().toISOString();
    const impostor = await addAsset("BTC", { usd: "0.000001", asOf });
    const address = "0x000000000000000000000000000000000000bEEF";
    await service.database.query(
      `insert into market.asset_contracts (id, asset_id, chain, contract_address) values ($1, $2, 'ethereum', $3)`,
      [randomUUID(), impostor, address],
    );
    const [fake, real, byId] = await quotes(
      { chain: "ethereum", contract: address },
      { exchange: "okx", symbol: "BTC" },
      { id: impostor },
    );
    expect([fake?.symbol, real?.symbol]).toEqual(["BTC", "BTC"]);
    expect([fake?.asset_id, fake?.price_usd]).toEqual([impostor, "0.000001"]);
    expect([real?.name, real?.price_usd]).toEqual(["Bitcoin", "100000"]);
    expect(byId).toEqual(fake);
    expect(fake).not.toHaveProperty("decimals");
  });

  it("knows the one listed asset of a symbol, whatever its case, and no other", async () => {
    await addAsset("BTC", { usd: "1", asOf: new Date().toISOString() });
    const unlisted = await addAsset("UNLISTED");
    const found = await quotes(
      { listed: "btc" },
      { listed: "usde" },
      { listed: "USDC.E" },
      { listed: "UNLISTED" },
      { listed: "VELO" },
    );
    expect(found.map((quote) => quote?.name)).toEqual([
      "Bitcoin",
      "Ethena USDe",
      "Bridged USDC (Arbitrum)",
      undefined,
      undefined,
    ]);
    expect(found.slice(0, 2).map((quote) => quote?.asset_type)).toEqual(["cryptocurrency", "stablecoin"]);
    expect((await quotes({ id: unlisted }))[0]?.symbol).toBe("UNLISTED");
  });

  it("refuses a symbol alone, and a reference that says more than one thing", async () => {
    for (const reference of [
      { symbol: "BTC" },
      { id: randomUUID(), symbol: "BTC" },
      { chain: "ethereum", native: false },
      {},
    ]) {
      const refusal = await quotes({ exchange: "okx", symbol: "BTC" }, reference).catch((error) => error);
      expect(refusal.type).toBe("VALIDATION_FAILED");
      const pointers = refusal.data.errors.map(({ pointer }: { pointer: string }) => pointer);
      expect(pointers.length).toBeGreaterThan(0);
      for (const pointer of pointers) expect(pointer).toMatch(/^\/assets\/1(\/|$)/);
    }
  });

  it("marks sample prices by their source, and as stale", async () => {
    const [quote] = await quotes({ exchange: "okx", symbol: "ETH" });
    expect(quote).toMatchObject({ source: "sample", as_of: "2026-01-01T00:00:00.000Z", stale: true });
  });

  it("calls a price stale when it is older than the configured age, and one that is missing null", async () => {
    const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();
    const fresh = await addAsset("FRESH", { usd: "2.50", asOf: ago(60) });
    const old = await addAsset("OLD", { usd: "2.5", asOf: ago(7200) });
    const unpriced = await addAsset("NONE");
    const [first, second, third] = await quotes({ id: fresh }, { id: old }, { id: unpriced });
    expect(first).toMatchObject({ price_usd: "2.5", source: "test", stale: false });
    expect(second).toMatchObject({ price_usd: "2.5", stale: true });
    expect(third).toMatchObject({ price_usd: null, as_of: null, source: null, stale: false });
  });

  it.each([
    "1000000000000000000000000000000.5",
    "0.000000000000000000000000000001",
    "0",
    "123456789.123456789",
  ])("answers the price %s with every digit", async (usd) => {
    const id = await addAsset("EXACT", { usd, asOf: new Date().toISOString() });
    expect((await quotes({ id }))[0]?.price_usd).toBe(usd);
  });

  it.each(["NaN", "Infinity", "-1"])("cannot have a price of %s", async (usd) => {
    await expect(addAsset("BAD", { usd, asOf: new Date().toISOString() })).rejects.toMatchObject({
      code: "23514",
    });
  });

  it("takes as many assets as a request may name, and no more", async () => {
    const asked = Array.from({ length: MAX_QUOTES }, () => ({ id: randomUUID() }));
    asked[MAX_QUOTES - 1] = { exchange: "okx", symbol: "BTC" } as never;
    expect((await quotes(...asked)).map((quote) => quote?.symbol).filter(Boolean)).toEqual(["BTC"]);
    await expect(quotes(...asked, { id: randomUUID() })).rejects.toMatchObject({ type: "VALIDATION_FAILED" });
  });

  it("answers a hundred requests at once with few connections", async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        quotes({ exchange: "okx", symbol: index % 2 ? "BTC" : "ETH" }, { chain: "ethereum", contract: USDC }),
      ),
    );
    expect(answers.map(([first]) => first?.symbol)).toEqual(
      answers.map((_, index) => (index % 2 ? "BTC" : "ETH")),
    );
    const [row] = await service.database.query<{ count: string }>(
      "select count(*) from pg_stat_activity where application_name = 'market' and datname = current_database()",
    );
    expect(Number(row?.count)).toBeLessThanOrEqual(3);
  });
});
