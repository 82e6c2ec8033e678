import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { ConnectionPool } from "../../../services/common/database/pool.ts";
import { prunePrices } from "../../../services/market/prices/prune-prices.ts";
import { type PoolGround, startPoolGround } from "../../common/database/pools.ts";

const never = new AbortController().signal;

let ground: PoolGround;
let pool: ConnectionPool;

beforeAll(async () => {
  ground = await startPoolGround();
  ({ pool } = await ground.openPool());
});
afterAll(() => ground.stop());

/** How many days old the rows of a table are, oldest first. */
async function agesOf(column: string, table: string): Promise<number[]> {
  const rows = await ground.database.query<{ age: number }>(
    `select distinct ((now() at time zone 'UTC')::date - ${column}::date) as age from market.${table} order by 1 desc`,
  );
  return rows.map(({ age }) => age);
}

describe("the history of prices", () => {
  beforeAll(async () => {
    await ground.database.query(`
      insert into market.price_history (asset_id, as_of, source, price_usd)
      select (select id from market.assets order by created_at, id limit 1),
        now() - make_interval(days => day, secs => second), 'test', 1
      from generate_series(0, 40) as day, generate_series(0, 2999) as second`);
    await ground.database.query(`
      insert into market.daily_prices (asset_id, day, price_usd, source, as_of)
      select id, (now() at time zone 'UTC')::date - day, 1, 'test', now() - make_interval(days => day)
      from market.assets, generate_series(0, 410) as day`);
  });

  it("has every price for 30 days and one per day for as long as it is set, pruned in batches", async () => {
    const deleted = await prunePrices(pool, 400, never);
    expect(deleted).toBeGreaterThan(30_000);
    expect((await agesOf("as_of", "price_history"))[0]).toBeLessThanOrEqual(30);
    expect((await agesOf("as_of", "price_history")).at(-1)).toBeLessThanOrEqual(1);
    expect((await agesOf("day", "daily_prices"))[0]).toBe(400);
    expect(await prunePrices(pool, 400, never)).toBeLessThan(100);
  });

  it("is no longer than it is set", async () => {
    await prunePrices(pool, 7, never);
    expect((await agesOf("as_of", "price_history"))[0]).toBeLessThanOrEqual(7);
    expect(await agesOf("day", "daily_prices")).toEqual([7, 6, 5, 4, 3, 2, 1, 0]);
  });

  it("stops being pruned when it is told to", async () => {
    await expect(prunePrices(pool, 1, AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
  });
});
