import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { freePort } from "../../../scripts/development/processes.ts";
import { type PoolGround, pause, startPoolGround, timed, until } from "./pools.ts";
import { type BreakableWay, startProxy } from "./proxy.ts";

let ground: PoolGround;
let proxy: BreakableWay;

beforeAll(async () => {
  ground = await startPoolGround();
  proxy = await startProxy(ground.database.url);
});
afterEach(() => proxy.forward());
afterAll(async () => {
  await ground.stop();
  await proxy.stop();
});

const CONNECT_TIMEOUT = { client: { connectionTimeoutMillis: 400 } } as const;

describe("a server that does not answer", () => {
  it("fails open() when the connect timeout ends, and leaves nothing", async () => {
    proxy.swallow();
    const test = ground.newPool({ url: proxy.url, ...CONNECT_TIMEOUT, acquireTimeoutMs: 20_000 });
    const { milliseconds, problem } = await timed(test.pool.open());
    expect(problem).toBe("DATABASE_UNAVAILABLE");
    expect(milliseconds).toBeGreaterThan(390);
    expect(milliseconds).toBeLessThan(3_000);
    expect(test.pool.counts()).toEqual({ opening: 0, idle: 0, active: 0, closing: 0, waiting: 0 });
  });

  it("makes callers fail when the connect timeout ends, long before the acquire timeout", async () => {
    const test = await ground.openPool({
      url: proxy.url,
      ...CONNECT_TIMEOUT,
      minConnections: 1,
      acquireTimeoutMs: 20_000,
    });
    proxy.swallow();
    await test.terminateAll();
    await until(() => test.pool.counts().idle === 0);
    // Some come while the pool itself is trying to open its minimum, some before, some after.
    const callers = Array.from({ length: 30 }, async (_, index) => {
      await pause(index * 40);
      return timed(test.pool.connect());
    });
    for (const { milliseconds, problem } of await Promise.all(callers)) {
      expect(problem).toBe("DATABASE_UNAVAILABLE");
      expect(milliseconds).toBeLessThan(3_000);
    }
    proxy.forward();
    await until(async () => (await timed(test.pool.query({ text: "select 1" }))).problem === undefined);
  });

  it("never gets its dead connections back into the pool", async () => {
    const test = await ground.openPool({
      url: proxy.url,
      client: { connectionTimeoutMillis: 400, query_timeout: 300 },
      minConnections: 2,
      maxConnections: 4,
    });
    const { pool } = test;
    const before = await test.backends();
    proxy.swallow();
    const failed = await Promise.all(
      Array.from({ length: 4 }, () => timed(pool.query({ text: "select 1" }))),
    );
    expect(failed.map(({ problem }) => problem === undefined)).toEqual([false, false, false, false]);
    proxy.forward();
    await until(() => pool.counts().idle >= 2, 15_000);
    const clients = await Promise.all(Array.from({ length: 4 }, () => pool.connect()));
    const replies = await Promise.all(
      clients.map((client) => client.query("select pg_backend_pid() as pid")),
    );
    for (const { rows } of replies) expect(before).not.toContain(rows[0]?.pid);
    for (const client of clients) client.release();
    expect(pool.counts()).toMatchObject({ active: 0, waiting: 0 });
  });
});

describe("a server that refuses", () => {
  it("fails open() at once, with the cause", async () => {
    const url = new URL(ground.database.url);
    url.port = String(await freePort());
    const { pool } = ground.newPool({ url: url.href });
    const startedAt = performance.now();
    await expect(pool.open()).rejects.toMatchObject({
      type: "DATABASE_UNAVAILABLE",
      cause: { message: expect.stringContaining("ECONNREFUSED") },
    });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(pool.counts()).toEqual({ opening: 0, idle: 0, active: 0, closing: 0, waiting: 0 });
  });

  it("names the cause also when the host has several addresses", async () => {
    const url = new URL(ground.database.url);
    url.hostname = "localhost";
    url.port = String(await freePort());
    await expect(ground.newPool({ url: url.href }).pool.open()).rejects.toMatchObject({
      cause: { message: expect.stringContaining("ECONNREFUSED") },
    });
  });

  it("fails open() when it takes only some, and keeps none", async () => {
    const { query, name } = ground.database;
    // The limit spares superusers, so it is met as somebody else.
    const role = `tester_${randomBytes(4).toString("hex")}`;
    await query(`create role ${role} login password '${role}'`);
    await query(`alter database ${name} connection limit 3`);
    const url = new URL(ground.database.url);
    url.username = role;
    url.password = role;
    const test = ground.newPool({ url: url.href, minConnections: 6 });
    await expect(test.pool.open()).rejects.toMatchObject({ cause: { code: "53300" } });
    expect(await test.serverCount()).toBe(0);
    await query(`alter database ${name} connection limit -1`);
    await query(`drop role ${role}`);
  });

  it("makes callers fail at once, is not stormed meanwhile, and is noticed when it is back", async () => {
    const test = await ground.openPool({ url: proxy.url, minConnections: 5, acquireTimeoutMs: 20_000 });
    const { pool } = test;
    proxy.refuse();
    await until(() => pool.counts().idle === 0);
    await pause(200);
    const attempts = proxy.attempts();
    const end = performance.now() + 1_500;
    let calls = 0;
    async function call(): Promise<void> {
      while (performance.now() < end) {
        const { milliseconds, problem } = await timed(pool.query({ text: "select 1" }));
        expect(problem).toBe("DATABASE_UNAVAILABLE");
        expect(milliseconds).toBeLessThan(1_000);
        calls += 1;
        await pause(1);
      }
    }
    await Promise.all(Array.from({ length: 10 }, call));
    expect(calls).toBeGreaterThan(100);
    // At most ten a second, whatever the number of callers.
    expect(proxy.attempts() - attempts).toBeLessThan(40);
    expect(test.warnings.filter((warning) => warning.includes("could not be opened"))).toHaveLength(1);
    proxy.forward();
    await until(() => pool.counts().idle === 5, 3_000);
    await expect(pool.query({ text: "select 1 as one" })).resolves.toEqual([{ one: 1 }]);
  });

  it("makes nobody fail whom a borrowed connection can still serve", async () => {
    const test = await ground.openPool({ url: proxy.url, minConnections: 1, maxConnections: 5 });
    const { pool } = test;
    const borrowed = await pool.connect();
    proxy.refuseNew();
    const waiting = Array.from({ length: 5 }, () => timed(pool.query({ text: "select 1" })));
    await pause(200);
    borrowed.release();
    for (const { problem } of await Promise.all(waiting)) expect(problem).toBeUndefined();
  });
});

describe("a server that takes no writes any more", () => {
  it("has the connections that met it replaced, the minimum staying open: the next one may", async () => {
    const test = await ground.openPool({ minConnections: 2, maxConnections: 4 });
    const before = await test.backends();
    // So young a connection has met the server that there is.
    await pause(1_100);
    const write = "set transaction read only; create table never (id int)";
    await expect(test.pool.query({ text: write })).rejects.toMatchObject({ code: "25006" });
    await until(async () => {
      const now = await test.backends();
      return now.length === 2 && now.filter((pid) => before.includes(pid)).length === 1;
    });
    await expect(test.pool.query({ text: write })).rejects.toMatchObject({ code: "25006" });
    await expect(test.pool.query({ text: "select 1 as one" })).resolves.toEqual([{ one: 1 }]);
  });
});
