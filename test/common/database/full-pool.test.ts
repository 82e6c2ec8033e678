import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import portfolios from "../../../services/portfolios/portfolios.service.ts";
import { principalOf, startBroker, type TestBroker } from "../../support/broker.ts";
import { cloneDatabase, type TestDatabase } from "../../support/database.ts";
import { timed, until } from "./pools.ts";

let database: TestDatabase;
let services: TestBroker;

beforeAll(async () => {
  database = await cloneDatabase();
  services = await startBroker([portfolios], {
    DATABASE_URL: database.url,
    DB_MIN_CONNECTIONS: "1",
    DB_MAX_CONNECTIONS: "3",
    DB_ACQUIRE_TIMEOUT_SECS: "1",
  });
});
afterAll(async () => {
  await services.stop();
  await database.drop();
});

const principal = principalOf(randomUUID());

function call(action: string, params: object = {}): Promise<{ readonly id: string }> {
  return services.callAs(principal, action, params);
}

describe("a service whose pool is full", () => {
  it("answers POOL_EXHAUSTED when the acquire timeout ends, by statement and by MikroORM, and recovers", async () => {
    const { id } = await call("portfolios.create", { name: "First" });
    const release = await database.lock("portfolios.portfolios");
    // They hold their connections, and wait for the lock.
    const holding = Array.from({ length: 3 }, () => call("portfolios.create", { name: "Waits" }));
    await until(async () => {
      const waiting =
        "application_name = 'portfolios' and datname = current_database() and wait_event_type = 'Lock'";
      return (await database.query(`select pid from pg_stat_activity where ${waiting}`)).length === 3;
    });
    const refused = await Promise.all([
      timed(call("portfolios.list")),
      timed(call("portfolios.get", { id })),
      timed(call("portfolios.update", { id, name: "Renamed" })),
      timed(call("portfolios.create", { name: "Default", is_default: true })),
      timed(call("portfolios.delete", { id })),
    ]);
    for (const { problem, milliseconds } of refused) {
      expect(problem).toBe("POOL_EXHAUSTED");
      // 50 ms beyond it are promised; a busy machine may take longer to say it.
      expect(milliseconds).toBeGreaterThan(990);
      expect(milliseconds).toBeLessThan(1_600);
    }
    await release();
    await Promise.all(holding);
    await expect(call("portfolios.list")).resolves.toHaveProperty("items.length", 4);
    await expect(call("portfolios.update", { id, name: "Renamed" })).resolves.toMatchObject({
      name: "Renamed",
    });
  });
});
