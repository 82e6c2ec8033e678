import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { readDatabaseSettings } from "../../../services/common/database/config.ts";
import { type Database, openDatabase } from "../../../services/common/database/database.ts";
import { openIdempotency } from "../../../services/common/idempotency.ts";
import { problem } from "../../../services/common/problem.ts";
import { readMarketConfig } from "../../../services/market/config.ts";
import { migrations } from "../../../services/market/migrations/index.ts";
import { openPrices, type Prices } from "../../../services/market/prices/open-prices.ts";
import { cloneDatabase, type TestDatabase } from "../../support/database.ts";
import { type CoinGecko, startCoinGecko } from "../../support/providers/coingecko.ts";
import { type CoinPaprika, startCoinPaprika } from "../../support/providers/coinpaprika.ts";
import { paprikaCoin } from "./price-services.ts";

const KEYS = { COINPAPRIKA_API_KEY: "paprika-secret", COINGECKO_API_KEY: "gecko-secret" };

let test: TestDatabase;
let database: Database;
let paprika: CoinPaprika;
let gecko: CoinGecko;
let prices: Prices;
const lines: string[] = [];

beforeAll(async () => {
  test = await cloneDatabase();
  const settings = readDatabaseSettings("market", { DATABASE_URL: test.url, DB_MIN_CONNECTIONS: "1" });
  const log = { info: () => undefined, warn: () => undefined };
  database = await openDatabase({ settings, entities: [], migrations, log });
  paprika = await startCoinPaprika([paprikaCoin("btc-bitcoin", "97000", { rank: 1 })]);
  gecko = await startCoinGecko([{ id: "hyperliquid", symbol: "hype", name: "Hyperliquid", price: "35.5" }]);
  prices = openPrices({
    pool: database.pool,
    config: readMarketConfig({
      COINPAPRIKA_URL: `${paprika.url}/`,
      COINGECKO_URL: gecko.url,
      FETCH_ALL_COINS_ENABLED: "false",
      ...KEYS,
    }),
    log: {
      info: (line) => lines.push(`info ${line}`),
      warn: (line) => lines.push(`warn ${line}`),
      error: (line) => lines.push(`error ${line}`),
    },
    fetch,
    updated: async () => undefined,
  });
});
afterAll(async () => {
  await prices.end();
  await database.close();
  await Promise.all([paprika.stop(), gecko.stop(), test.drop()]);
});
beforeEach(() => {
  lines.length = 0;
});

function fetchAllCoins() {
  type Context = Parameters<Prices["handlers"]["fetchAllCoins"]>[0];
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const { plain: once } = openIdempotency({ service: "market", pool: database.pool, log });
  return prices.handlers.fetchAllCoins({ params: {}, problem, once } as unknown as Context);
}

async function metric(name: string) {
  prices.metrics.collect();
  const found = prices.metrics.metrics.find((each) => (each as unknown as { name: string }).name === name);
  const { values } = (found as unknown as { get(): { values: { value: number; labels: object }[] } }).get();
  return values;
}

describe("fetching prices", () => {
  it("is logged in one line with its figures, and sends each provider its own key", async () => {
    await fetchAllCoins();
    expect(lines).toEqual([
      expect.stringMatching(
        /^info Prices fetched: 1 coins of coinpaprika, 1 coins of coingecko; 2 newer prices, 0 new assets, in \d+\.\d s$/,
      ),
    ]);
    expect(paprika.requests[0]?.headers).toMatchObject({ authorization: KEYS.COINPAPRIKA_API_KEY });
    expect(gecko.requests[0]?.headers).toMatchObject({ "x-cg-demo-api-key": KEYS.COINGECKO_API_KEY });
    expect(JSON.stringify([paprika.requests[0]?.url, gecko.requests[0]?.url])).not.toContain("secret");
  });

  it("warns in one line when a provider fails, without what is secret", async () => {
    paprika.misbehave([{ status: 403 }]);
    await fetchAllCoins();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^warn Prices fetched: .* CoinPaprika refuses the request with 403: check its API key\.$/,
    );
    expect(lines[0]).not.toContain("secret");
  });

  it("is counted by provider and outcome, and the age of prices is told", async () => {
    await prices.begin();
    const outcomes = await metric("market_price_fetches_total");
    expect(outcomes).toContainEqual({ value: 1, labels: { provider: "coinpaprika", outcome: "refused" } });
    const [age] = await metric("market_newest_price_age_seconds");
    expect(age?.value).toBeGreaterThanOrEqual(0);
    expect(age?.value).toBeLessThan(60);
    const states = await metric("market_priced_assets");
    expect(states).toContainEqual({ value: 2, labels: { state: "fresh" } });
  });
});
