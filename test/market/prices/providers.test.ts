import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type Outgoing, openOutgoing } from "../../../services/common/outgoing/outgoing.ts";
import type { Asking } from "../../../services/market/prices/ask-provider.ts";
import { coinGecko } from "../../../services/market/prices/coin-gecko.ts";
import { coinPaprika } from "../../../services/market/prices/coin-paprika.ts";
import { type CoinGecko, startCoinGecko } from "../../support/providers/coingecko.ts";
import { type CoinPaprika, startCoinPaprika } from "../../support/providers/coinpaprika.ts";
import type { Misbehaviour } from "../../support/providers/price-server.ts";

const BTC = { id: "btc-bitcoin", symbol: "BTC", name: "Bitcoin", rank: 1, price: "97123.456789012345678" };
const never = new AbortController().signal;

let paprika: CoinPaprika;
let gecko: CoinGecko;
let outgoing: Outgoing;
let asking: Omit<Asking, "provider">;

beforeEach(async () => {
  paprika = await startCoinPaprika([BTC]);
  gecko = await startCoinGecko([{ id: "bitcoin", symbol: "btc", name: "Bitcoin", price: "97123.5" }]);
  // The way out that the service has.
  const privateHosts = [paprika, gecko].map(({ url }) => new URL(url).host);
  outgoing = openOutgoing({
    rules: { hosts: [], privateHosts },
    timeoutMs: 5_000,
    maxBodyBytes: 32 * 1024 * 1024,
  });
  asking = { fetch: outgoing.fetch, headers: {}, pauseMs: 1, timeoutMs: 2_000 };
});
afterEach(async () => {
  outgoing.close();
  await Promise.all([paprika.stop(), gecko.stop()]);
});

function fetchPaprika(changes: object = {}, signal = never) {
  return coinPaprika(paprika.url, { ...asking, ...changes }).fetch(signal);
}

describe("CoinPaprika's tickers", () => {
  it("are taken to the last digit, with what is told beside the price", async () => {
    paprika.coins.push({
      ...BTC,
      id: "tiny-tiny",
      rank: 0,
      price: "1.23456789012345678e-12",
      percent_change_24h: "1e-7",
      last_updated: "2026-01-31T09:30:00Z",
    });
    const [btc, tiny] = await fetchPaprika();
    expect(btc).toEqual({
      id: "btc-bitcoin",
      symbol: "BTC",
      name: "Bitcoin",
      rank: 1,
      price_usd: "97123.456789012345678",
      as_of: expect.any(String),
      market_cap_usd: "91094433242",
      volume_24h_usd: "7304267139.02",
      percent_change_24h: "-0.53",
    });
    expect(tiny).toMatchObject({
      rank: null,
      price_usd: "0.00000000000123456789012345678",
      percent_change_24h: "0.0000001",
      as_of: "2026-01-31T09:30:00Z",
    });
  });

  it("without a price, or with one that can be none, are passed over; repeats count once", async () => {
    const prices = ["null", "0", "-1", "1e99", '"many"', "true"];
    paprika.coins.push(...prices.map((price, index) => ({ ...BTC, id: `coin-${index}`, price })));
    paprika.coins.push(
      { ...BTC, id: "", price: "1" },
      { ...BTC, id: "a b", price: "1" },
      { ...BTC, price: "1" },
    );
    expect((await fetchPaprika()).map(({ id, price_usd }) => [id, price_usd])).toEqual([[BTC.id, BTC.price]]);
  });

  it("are asked for with the key, if there is one", async () => {
    await fetchPaprika({ headers: { Authorization: "the-key" } });
    const [request] = paprika.requests;
    expect([request?.url.pathname, request?.headers.authorization]).toEqual(["/tickers", "the-key"]);
  });

  it("are asked for again when that may help", async () => {
    paprika.misbehave([{ status: 500 }, "truncated"]);
    expect(await fetchPaprika()).toHaveLength(1);
    expect(paprika.requests).toHaveLength(3);
  });

  it("wait for as long as CoinPaprika asks for", async () => {
    paprika.misbehave([{ status: 429, retryAfter: "1" }]);
    const startedAt = performance.now();
    expect(await fetchPaprika()).toHaveLength(1);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(990);
  });

  it.each<[string, Misbehaviour, string, number, string]>([
    ["429", { status: 429 }, "rate_limited", 3, "CoinPaprika takes no more requests now"],
    ["429 for an hour", { status: 429, retryAfter: "3600" }, "rate_limited", 1, "asks to wait for 3600 s"],
    ["500", { status: 500 }, "unavailable", 3, "CoinPaprika answered 500"],
    ["401", { status: 401 }, "refused", 1, "check its API key"],
    ["404", { status: 404 }, "refused", 1, "CoinPaprika answered 404"],
    ["a redirect", "redirect", "refused", 1, "CoinPaprika answered 302"],
    ["an HTML page", "html", "unexpected_answer", 3, "no whole JSON"],
    ["half an answer", "truncated", "unexpected_answer", 3, "no whole JSON"],
    ["a broken connection", "reset", "unavailable", 3, "cannot be read"],
    ["too much", "huge", "refused", 1, "with more than 33554432 bytes"],
  ])("of %s are none, and the error says why", async (_, how, fault, attempts, message) => {
    paprika.misbehave([how], true);
    const error = await fetchPaprika().catch((thrown) => thrown);
    expect(error).toMatchObject({ name: "ProviderError", fault });
    expect(error.message).toContain(message);
    expect(paprika.requests).toHaveLength(attempts);
  });

  it("are not asked for at a host that is not allowed", async () => {
    const provider = coinPaprika("https://not-allowed.example/v1", asking);
    expect(await provider.fetch(never).catch((thrown) => thrown)).toMatchObject({
      fault: "refused",
      message: "CoinPaprika cannot be read: not-allowed.example is not among the hosts that may be asked",
    });
  });

  it("are not waited for for ever", async () => {
    paprika.misbehave(["silent"], true);
    const error = await fetchPaprika({ timeoutMs: 50 }).catch((thrown) => thrown);
    expect(error).toMatchObject({ fault: "timed_out", message: "CoinPaprika did not answer within 50 ms" });
    paprika.misbehave(["silent"], true);
    const cut = await fetchPaprika({}, AbortSignal.timeout(50)).catch((thrown) => thrown);
    expect(cut).toMatchObject({ fault: "timed_out" });
  });

  it.each([[[]], [[{ ...BTC, price: "null" }]]])(
    "that are empty are a fault and no success",
    async (coins) => {
      paprika.coins = coins;
      expect(await fetchPaprika().catch((thrown) => thrown)).toMatchObject({ fault: "unexpected_answer" });
    },
  );
});

describe("CoinGecko's markets", () => {
  it("are asked for by the ids of known coins, in pages", async () => {
    const ids = Array.from({ length: 450 }, (_, index) => `coin-${index}`);
    gecko.coins = ids.map((id) => ({ id, symbol: "x", name: "X", price: "1e-12" }));
    const coins = await coinGecko(
      gecko.url,
      { ...asking, headers: { "x-cg-demo-api-key": "k" } },
      ids,
      1,
    ).fetch(never);
    expect(coins.map(({ id }) => id)).toEqual(ids);
    expect(coins[0]).toMatchObject({
      price_usd: "0.000000000001",
      market_cap_usd: "1317802988326.25",
      rank: 1,
    });
    expect(gecko.requests.map(({ url }) => url.searchParams.get("ids")?.split(",").length)).toEqual([
      200, 200, 50,
    ]);
    for (const { url, headers } of gecko.requests) {
      expect(url.pathname).toBe("/coins/markets");
      expect(url.searchParams.get("precision")).toBe("full");
      expect(headers["x-cg-demo-api-key"]).toBe("k");
      expect(url.href.length).toBeLessThan(8_000);
    }
  });

  it("that tell of no coin are a fault", async () => {
    const error = await coinGecko(gecko.url, asking, ["unknown"])
      .fetch(never)
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ fault: "unexpected_answer" });
  });
});
