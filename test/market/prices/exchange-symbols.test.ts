import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { until } from "../../common/database/pools.ts";
import { type PriceGround, paprikaCoin, startPriceGround } from "./price-services.ts";

let ground: PriceGround;

/** Has a fetch done that is due now, and waits until no job is left. */
async function fetchOnSchedule(): Promise<void> {
  await ground.database.query("select market_jobs.add_job('fetchPrices', $1::json)", [
    JSON.stringify({ _cron: { ts: new Date().toISOString() } }),
  ]);
  await until(async () => (await ground.database.query("select from market_jobs.jobs")).length === 0);
}

beforeAll(async () => {
  ground = await startPriceGround();
  ground.paprika.coins = [
    paprikaCoin("btc-bitcoin", "97000", { rank: 1 }),
    paprikaCoin("tia-celestia", "5", { rank: 70 }),
    paprikaCoin("tia-impostor", "0.01", { rank: 60 }),
    paprikaCoin("two-one", "1"),
    paprikaCoin("two-two", "1"),
  ];
  ground.paprika.markets.okx = [
    { pair: "TIA/USDT", base_currency_id: "tia-celestia" },
    { pair: "TIA/USDC", base_currency_id: "tia-celestia" },
    { pair: "BTC/USDT", base_currency_id: "tia-impostor" },
    { pair: "TWO/USDT", base_currency_id: "two-one" },
    { pair: "TWO/BTC", base_currency_id: "two-two" },
    { pair: "NEVER/USDT", base_currency_id: "never-seen" },
    { pair: "no pair", base_currency_id: "two-one" },
  ];
  await ground.start({}, { background: true });
});
afterAll(() => ground.stop());

describe("what exchanges call the assets", () => {
  it("is learned from CoinPaprika after the prices: not from the symbol, and the seeds stay", async () => {
    await fetchOnSchedule();
    const okx = (symbol: string) => ({ exchange: "okx", symbol });
    const [celestia, bitcoin, ...none] = await ground.quotes(...["TIA", "BTC", "TWO", "NEVER"].map(okx), {
      exchange: "binance",
      symbol: "TIA",
    });
    expect(celestia).toMatchObject({ name: "celestia", price_usd: "5" });
    expect(bitcoin?.name).toBe("Bitcoin");
    expect(none).toEqual([null, null, null]);
    expect((await ground.quotes({ listed: "TIA" }))[0]?.name).toBe("impostor");
  });

  it("is asked for once a day", async () => {
    await fetchOnSchedule();
    const asked = () =>
      ground.paprika.requests.filter(({ url }) => url.pathname === "/exchanges/okx/markets");
    expect(asked()).toHaveLength(1);
    await ground.database.query(
      "update market.fetches set finished_at = finished_at - interval '25 hours' where name = 'exchange symbols'",
    );
    ground.paprika.markets = {};
    await fetchOnSchedule();
    await fetchOnSchedule();
    expect(asked()).toHaveLength(2);
    expect((await ground.quotes({ exchange: "okx", symbol: "TIA" }))[0]?.name).toBe("celestia");
  });
});
