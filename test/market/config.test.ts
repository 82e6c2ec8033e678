import { describe, expect, it } from "@jest/globals";
import { readMarketConfig } from "../../services/market/config.ts";

describe("the market's settings", () => {
  it("have both providers without keys, every quarter of an hour, unless set", () => {
    expect(readMarketConfig({})).toEqual({
      maxPriceAgeSeconds: 3600,
      priceHistoryDays: 400,
      isFetchEnabled: true,
      fetchCron: "*/15 * * * *",
      coinPaprika: { url: "https://api.coinpaprika.com/v1", headers: {} },
      coinGecko: { url: "https://api.coingecko.com/api/v3", headers: {} },
    });
  });

  it("send CoinPaprika's key to its host for keys, never to the other", () => {
    const COINPAPRIKA_API_KEY = "the-key";
    const headers = { Authorization: "the-key" };
    expect(readMarketConfig({ COINPAPRIKA_API_KEY }).coinPaprika).toEqual({
      url: "https://api-pro.coinpaprika.com/v1",
      headers,
    });
    const own = { COINPAPRIKA_API_KEY, COINPAPRIKA_URL: "https://proxy.example/v1/" };
    expect(readMarketConfig(own).coinPaprika).toEqual({ url: "https://proxy.example/v1", headers });
    const free = { COINPAPRIKA_API_KEY, COINPAPRIKA_URL: "https://api.coinpaprika.com/v1" };
    expect(() => readMarketConfig(free)).toThrow(/COINPAPRIKA_URL .*COINPAPRIKA_API_KEY/);
    expect(() => readMarketConfig(free)).not.toThrow(/the-key/);
  });

  it("send CoinGecko's key in the header that its host wants", () => {
    const COINGECKO_API_KEY = "the-key";
    expect(readMarketConfig({ COINGECKO_API_KEY }).coinGecko.headers).toEqual({
      "x-cg-demo-api-key": "the-key",
    });
    const paid = { COINGECKO_API_KEY, COINGECKO_URL: "https://pro-api.coingecko.com/api/v3" };
    expect(readMarketConfig(paid).coinGecko.headers).toEqual({ "x-cg-pro-api-key": "the-key" });
  });

  it.each([
    ["FETCH_ALL_COINS_SCHEDULE", "*/15 * * * *"],
    ["FETCH_ALL_COINS_SCHEDULE", "30 */15 * * * *"],
    ["FETCH_ALL_COINS_ENABLED", "yes"],
    ["PRICE_HISTORY_DAYS", "0"],
    ["COINPAPRIKA_URL", "api.coinpaprika.com"],
    ["COINGECKO_URL", "ftp://api.coingecko.com"],
  ])("are refused by name: %s=%s", (name, value) => {
    expect(() => readMarketConfig({ [name]: value })).toThrow(new RegExp(`^${name} `));
  });
});
