import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { type PriceGround, paprikaCoin, startPriceGround } from "./price-services.ts";

let ground: PriceGround;

beforeAll(async () => {
  ground = await startPriceGround();
});
afterAll(() => ground.stop());
beforeEach(() => {
  ground.paprika.misbehave([]);
  ground.gecko.misbehave([]);
  ground.paprika.coins = [paprikaCoin("btc-bitcoin", "97000.5", { rank: 1 })];
});

const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();

async function priceOf(reference: object) {
  const [quote] = await ground.quotes(reference);
  return quote?.price_usd;
}

/** The assets that there are with a symbol, by name. */
function assetsCalled(symbol: string) {
  return ground.database.query<{ id: string; name: string; coinpaprika_id: string | null }>(
    "select id, name, coinpaprika_id from market.assets where upper(symbol) = upper($1) order by name",
    [symbol],
  );
}

describe("market.fetchAllCoins", () => {
  it("prices known assets, and adds coins that have a rank", async () => {
    ground.paprika.coins.push(
      paprikaCoin("new-newcoin", "2.5", { rank: 40 }),
      paprikaCoin("none-unranked", "1", { rank: 0 }),
      paprikaCoin("odd-symbol", "1", { symbol: "A\u0000B", rank: 41 }),
      paprikaCoin("odd-name", "1", { name: "Na\u0000me", rank: 42 }),
    );
    expect(await ground.fetchAllCoins()).toEqual({
      success: true,
      coins_fetched: 6,
      assets_created: 2,
      assets_updated: 2,
      prices_stored: 4,
    });
    const [bitcoin, created, native] = await ground.quotes(
      { exchange: "okx", symbol: "BTC" },
      { listed: "new" },
      { chain: "hyper_liquid", native: true },
    );
    expect(bitcoin).toMatchObject({
      name: "Bitcoin",
      price_usd: "97000.5",
      source: "coinpaprika",
      stale: false,
    });
    expect(created).toMatchObject({
      name: "newcoin",
      symbol: "NEW",
      price_usd: "2.5",
      asset_type: "cryptocurrency",
    });
    expect(native).toMatchObject({ name: "Hyperliquid", price_usd: "35.5", source: "coingecko" });
    expect(await assetsCalled("NONE")).toEqual([]);
    expect((await ground.quotes({ listed: "odd" }))[0]?.name).toBe("Name");
  });

  it("keeps what CoinPaprika tells beside the price", async () => {
    await ground.fetchAllCoins();
    const [row] = await ground.database.query(
      `select rank, market_cap_usd::text, volume_24h_usd::text, percent_change_24h::text
       from market.prices p join market.assets a on a.id = p.asset_id where coinpaprika_id = 'btc-bitcoin'`,
    );
    expect(row).toEqual({
      rank: 1,
      market_cap_usd: "91094433242",
      volume_24h_usd: "7304267139.02",
      percent_change_24h: "-0.53",
    });
  });

  it.each([
    ["1e-12", "0.000000000001"],
    ["1e30", "1000000000000000000000000000000"],
    ["1.23456789012345678e-7", "0.000000123456789012345678"],
    ["123456789012345678901234567890.123456789", "123456789012345678901234567890.123456789"],
  ])("stores the price %s to the last digit", async (price, plain) => {
    ground.paprika.coins = [paprikaCoin("exact-coin", price, { last_updated: new Date().toISOString() })];
    await ground.fetchAllCoins();
    expect(await priceOf({ listed: "EXACT" })).toBe(plain);
  });

  it("never mixes coins that have one symbol, and lists the best ranked", async () => {
    ground.paprika.coins = [
      paprikaCoin("btc-impostor", "0.01", { rank: 2 }),
      paprikaCoin("twin-small", "1", { rank: 900 }),
      paprikaCoin("twin-large", "2", { rank: 90 }),
    ];
    await ground.fetchAllCoins();
    ground.paprika.coins.push(paprikaCoin("twin-later", "3", { rank: 9 }));
    await ground.fetchAllCoins();
    expect((await assetsCalled("TWIN")).map(({ name }) => name)).toEqual(["large", "later", "small"]);
    const [listed, bitcoin] = await ground.quotes({ listed: "twin" }, { listed: "BTC" });
    expect(listed).toMatchObject({ name: "large", price_usd: "2" });
    expect(bitcoin?.name).toBe("Bitcoin");
    const [impostor] = (await assetsCalled("BTC")).filter(
      ({ coinpaprika_id }) => coinpaprika_id === "btc-impostor",
    );
    expect(await priceOf({ id: impostor?.id })).toBe("0.01");
  });

  it("takes two coins that have one name as well for two", async () => {
    ground.paprika.coins = ["same-1", "same-2"].map((id) => paprikaCoin(id, "1", { name: "Same" }));
    expect(await ground.fetchAllCoins()).toMatchObject({ assets_created: 2 });
  });

  it("knows a seeded asset without CoinPaprika's id by CoinGecko's alone, never by its symbol", async () => {
    ground.paprika.coins = [paprikaCoin("hype-impostor", "0.001", { rank: 3 })];
    await ground.fetchAllCoins();
    expect((await assetsCalled("HYPE")).map(({ name }) => name)).toEqual(["Hyperliquid", "impostor"]);
    const [listed, native] = await ground.quotes({ listed: "HYPE" }, { chain: "hyper_liquid", native: true });
    expect(listed).toEqual(native);
    expect(listed?.price_usd).toBe("35.5");
  });

  it("replaces no price by an older one, nor by none, but a sample by any", async () => {
    const told = (price: string, last_updated: string) => [paprikaCoin("old-price", price, { last_updated })];
    ground.paprika.coins = [
      ...told("5", ago(60)),
      paprikaCoin("eth-ethereum", "3210", { last_updated: "2020-01-01T00:00:00Z" }),
    ];
    await ground.fetchAllCoins();
    expect(await priceOf({ listed: "ETH" })).toBe("3210");
    for (const [price, time] of [
      ["6", ago(120)],
      ["null", ago(0)],
      ["0", ago(0)],
      ["-1", ago(0)],
    ] as const) {
      ground.paprika.coins = [...told(price, time), paprikaCoin("btc-bitcoin", "1")];
      await ground.fetchAllCoins();
      expect(await priceOf({ listed: "OLD" })).toBe("5");
    }
    ground.paprika.coins = told("7", ago(30));
    expect(await ground.fetchAllCoins()).toMatchObject({ assets_updated: 2 });
    expect(await priceOf({ listed: "OLD" })).toBe("7");
  });

  it("takes a time of the future for now", async () => {
    ground.paprika.coins = [paprikaCoin("ahead-clock", "1", { last_updated: "2999-01-01T00:00:00Z" })];
    await ground.fetchAllCoins();
    const [quote] = await ground.quotes({ listed: "AHEAD" });
    expect(Math.abs(Date.parse(quote?.as_of as string) - Date.now())).toBeLessThan(60_000);
    ground.paprika.coins = [paprikaCoin("ahead-clock", "2", { last_updated: "2999-01-01T00:00:00Z" })];
    await ground.fetchAllCoins();
    expect(await priceOf({ listed: "AHEAD" })).toBe("2");
  });

  it("follows a coin to another symbol and name, but not a seeded one", async () => {
    ground.paprika.coins = [paprikaCoin("ren-coin", "1", { name: "Before" })];
    await ground.fetchAllCoins();
    ground.paprika.coins = [
      paprikaCoin("ren-coin", "1", { symbol: "RENDERED", name: "After" }),
      paprikaCoin("btc-bitcoin", "1", { symbol: "XBT", name: "bitcoin cash" }),
    ];
    await ground.fetchAllCoins();
    const [old, renamed, bitcoin] = await ground.quotes(
      { listed: "REN" },
      { listed: "RENDERED" },
      { listed: "BTC" },
    );
    expect([old, renamed].map((quote) => quote?.name)).toEqual(["After", "After"]);
    expect(bitcoin).toMatchObject({ symbol: "BTC", name: "Bitcoin" });
  });

  it("counts the prices of all batches", async () => {
    ground.paprika.coins = Array.from({ length: 1_234 }, (_, index) =>
      paprikaCoin(`many-${index}`, `${index + 1}e-3`, { symbol: `MANY${index}`, rank: index + 1 }),
    );
    const report = { coins_fetched: 1_235, assets_created: 1_234 };
    expect(await ground.fetchAllCoins()).toMatchObject({ ...report, prices_stored: 1_235 });
    expect(await ground.fetchAllCoins()).toMatchObject({ coins_fetched: 1_235, assets_created: 0 });
    expect(await priceOf({ listed: "MANY999" })).toBe("1");
  });

  it("stores an event for each source, in the same transaction", async () => {
    await ground.database.query("delete from market.outbox");
    ground.paprika.coins = [paprikaCoin("btc-bitcoin", "1", { last_updated: ago(0) })];
    await ground.fetchAllCoins();
    const rows = await ground.database.query<{ payload: object }>(
      "select payload from market.outbox where event = 'market.prices_updated' order by position",
    );
    expect(rows.map(({ payload }) => payload)).toEqual(
      ["coinpaprika", "coingecko"].map((source) => ({ count: 1, source, as_of: expect.any(String) })),
    );
  });
});

describe("market.fetchAllCoins, when providers fail", () => {
  it("has the coins that CoinGecko knows from there, and says so", async () => {
    ground.paprika.misbehave([{ status: 403 }], true);
    ground.gecko.coins.push({ id: "bitcoin", symbol: "btc", name: "Bitcoin", price: "98765.4321" });
    const report = await ground.fetchAllCoins();
    expect(report).toMatchObject({ success: true, coins_fetched: 2, assets_created: 0 });
    expect(report.error).toContain("CoinPaprika refuses the request with 403");
    expect((await ground.quotes({ listed: "BTC" }))[0]).toMatchObject({
      price_usd: "98765.4321",
      source: "coingecko",
    });
  });

  it("has CoinPaprika's prices when CoinGecko fails", async () => {
    ground.gecko.misbehave([{ status: 404 }], true);
    const report = await ground.fetchAllCoins();
    expect(report).toMatchObject({ success: true, coins_fetched: 1 });
    expect(report.error).toBe("CoinGecko answered 404.");
  });

  it("answers PROVIDER_UNAVAILABLE when both fail, and keeps the last prices", async () => {
    const before = await ground.quotes({ listed: "BTC" }, { listed: "ETH" });
    ground.paprika.misbehave([{ status: 404 }], true);
    ground.gecko.misbehave([{ status: 401 }], true);
    for (const _ of [1, 2]) {
      const error = await ground.fetchAllCoins().catch((thrown) => thrown);
      expect(error).toMatchObject({ type: "PROVIDER_UNAVAILABLE", code: 503 });
      expect(error.data.detail).toBe(
        "No prices could be fetched; the last ones stay. CoinPaprika answered 404; CoinGecko refuses the request with 401: check its API key.",
      );
    }
    expect(await ground.quotes({ listed: "BTC" }, { listed: "ETH" })).toEqual(before);
    ground.paprika.misbehave([]);
    expect(await ground.fetchAllCoins()).toMatchObject({ success: true });
  });
});
