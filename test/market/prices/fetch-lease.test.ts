import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { until } from "../../common/database/pools.ts";
import { type PriceGround, paprikaCoin, startPriceGround } from "./price-services.ts";

let ground: PriceGround;

beforeEach(async () => {
  ground = await startPriceGround(2);
  ground.paprika.coins = [paprikaCoin("btc-bitcoin", "97000", { rank: 1 }), paprikaCoin("new-coin", "1")];
});
afterEach(() => ground.stop());

function fetches() {
  return ground.paprika.requests.filter(({ url }) => url.pathname === "/tickers");
}

/** Keeps CoinPaprika from answering until the function is called. */
function holdCoinPaprika(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  ground.paprika.hold(promise);
  return resolve;
}

describe("fetching prices at once", () => {
  it("is done once over two replicas, and all callers get its report", async () => {
    const go = holdCoinPaprika();
    const calls = Array.from({ length: 20 }, (_, index) => ground.fetchAllCoins(index % 2));
    await until(() => ground.paprika.requests.length > 0);
    go();
    const reports = await Promise.all(calls);
    expect(reports[0]).toMatchObject({ coins_fetched: 3, assets_created: 1, prices_stored: 3 });
    expect(new Set(reports.map((report) => JSON.stringify(Object.entries(report).sort()))).size).toBe(1);
    expect(fetches()).toHaveLength(1);
    expect(ground.gecko.requests).toHaveLength(1);
    const rows = await ground.database.query("select from market.price_history");
    expect(rows).toHaveLength(3);
  });

  it("is tried by the one who waited when the other's providers failed", async () => {
    const go = holdCoinPaprika();
    ground.paprika.misbehave([{ status: 404 }]);
    ground.gecko.misbehave([{ status: 404 }]);
    const first = ground.fetchAllCoins(0).catch((error) => error);
    await until(() => ground.paprika.requests.length > 0);
    const second = ground.fetchAllCoins(1);
    go();
    expect(await first).toMatchObject({ type: "PROVIDER_UNAVAILABLE" });
    expect(await second).toMatchObject({ success: true, assets_created: 1 });
  });

  it("is taken over from a replica that is gone, when its lease has ended", async () => {
    await ground.database.query(`
      insert into market.fetches (name, token, leased_until)
      values ('prices', gen_random_uuid(), now() + interval '1 second')`);
    expect(await ground.fetchAllCoins()).toMatchObject({ success: true });
  });

  it("stores nothing from a replica that has lost its lease to another", async () => {
    const go = holdCoinPaprika();
    const frozen = ground.fetchAllCoins(0).catch((error) => error);
    await until(() => ground.paprika.requests.length > 0);
    // As if it had slept for longer than its lease, and another had begun.
    await ground.database.query(
      "update market.fetches set token = gen_random_uuid(), leased_until = now() + interval '1 minute'",
    );
    go();
    expect(await frozen).toMatchObject({ type: "INTERNAL_ERROR" });
    expect((await ground.quotes({ listed: "BTC" }))[0]?.source).toBe("sample");
    const [lease] = await ground.database.query<{ held: boolean }>(
      "select leased_until > now() as held from market.fetches",
    );
    expect(lease?.held).toBe(true);
  });
});

describe("fetching prices on schedule", () => {
  it("begins with a new installation, once over its replicas, and not again after a fetch", async () => {
    const enabled = { FETCH_ALL_COINS_ENABLED: "true" };
    await Promise.all([1, 2].map(() => ground.start(enabled, { background: true })));
    await until(async () => (await ground.quotes({ listed: "NEW" }))[0] !== null);
    await ground.start(enabled, { background: true });
    const jobs = async () => ground.database.query("select from market_jobs.jobs");
    await until(async () => (await jobs()).length === 0);
    expect(fetches()).toHaveLength(1);
  });

  it("is attempted again when no provider answers", async () => {
    ground.paprika.misbehave([{ status: 404 }]);
    ground.gecko.misbehave([{ status: 404 }]);
    await ground.start({ FETCH_ALL_COINS_ENABLED: "true" }, { background: true });
    await until(async () => (await ground.quotes({ listed: "NEW" }))[0] !== null, 20_000);
    expect(fetches()).toHaveLength(2);
  });

  it("does not happen when it is switched off", async () => {
    await ground.start({}, { background: true });
    const [row] = await ground.database.query<{ count: number }>(
      "select count(*)::int from market_jobs.jobs where task_identifier = 'fetchPrices'",
    );
    expect(row?.count).toBe(0);
    expect(ground.paprika.requests).toEqual([]);
  });

  it("is satisfied by a fetch that came after the time it was due", async () => {
    await ground.fetchAllCoins();
    const broker = await ground.start({ FETCH_ALL_COINS_ENABLED: "true" }, { background: true });
    const due = (time: string) =>
      ground.database.query("select market_jobs.add_job('fetchPrices', $1::json)", [
        JSON.stringify({ _cron: { ts: time, backfilled: true } }),
      ]);
    const isIdle = async () => (await ground.database.query("select from market_jobs.jobs")).length === 0;
    for (let minute = 10; minute < 30; minute += 1) await due(`2026-01-01T00:${minute}:00Z`);
    await until(isIdle);
    expect(fetches()).toHaveLength(1);
    await due(new Date().toISOString());
    await until(isIdle);
    expect(fetches()).toHaveLength(2);
    await broker.stop();
  });
});
