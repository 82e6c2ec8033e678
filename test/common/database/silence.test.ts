import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { type PoolGround, pause, startPoolGround, timed, until } from "./pools.ts";
import { type BreakableWay, startProxy } from "./proxy.ts";

let ground: PoolGround;
let proxy: BreakableWay;

beforeAll(async () => {
  ground = await startPoolGround();
  proxy = await startProxy(ground.database.url);
  await ground.database.query("create table locked (id int)");
});
afterEach(() => proxy.forward());
afterAll(async () => {
  await ground.stop();
  await proxy.stop();
});

const ONE = { text: "select 1 as one" };
/** As services have it; nothing here may wait for these. */
const LONG = {
  client: { connectionTimeoutMillis: 30_000, query_timeout: 16_000 },
  acquireTimeoutMs: 30_000,
} as const;
/** A second without a byte, a second for the sign of life; the rest is for a busy machine. */
const NOTICED_WITHIN_MS = 4_000;

describe("a server that falls silent", () => {
  it("makes those who wait fail soon and new ones at once, and is whole again within 2 s of its return", async () => {
    const test = await ground.openPool({ url: proxy.url, ...LONG, minConnections: 3, maxConnections: 5 });
    const { pool } = test;
    const dead = await test.backends();
    proxy.swallow();
    // More than there are connections: some wait for a statement, some for a connection that is opened, some in line.
    const callers = await Promise.all(Array.from({ length: 12 }, () => timed(pool.query(ONE))));
    for (const { problem, milliseconds } of callers) {
      expect(problem).toMatch(/DATABASE_UNAVAILABLE|terminated/);
      expect(milliseconds).toBeLessThan(NOTICED_WITHIN_MS);
    }
    for (let count = 0; count < 5; count += 1) {
      const { problem, milliseconds } = await timed(pool.query(ONE));
      expect(problem).toBe("DATABASE_UNAVAILABLE");
      expect(milliseconds).toBeLessThan(100);
    }
    await pause(1_500);
    proxy.forward();
    const backAt = performance.now();
    await until(async () => (await timed(pool.query(ONE))).problem === undefined, 5_000);
    await until(() => pool.counts().idle >= 3, 5_000);
    expect(performance.now() - backAt).toBeLessThan(3_000);
    for (const pid of await test.backends()) expect(dead).not.toContain(pid);
    expect(pool.counts()).toMatchObject({ opening: 0, active: 0, closing: 0, waiting: 0 });
    const told = test.warnings.filter((warning) => /does not answer|answers again/.test(warning));
    expect(told).toHaveLength(2);
  });

  it("takes the connections away also from who only keeps one, and from a transaction", async () => {
    const test = await ground.openPool({ url: proxy.url, ...LONG });
    const listener = await test.pool.connect();
    const ended = new Promise<void>((resolve) => listener.on("end", () => resolve()));
    proxy.swallow();
    await timed(test.pool.query(ONE));
    await ended;
    listener.release(new Error("lost"));
    proxy.forward();
    await until(() => test.pool.counts().idle >= 2);
  });

  it("is not what a lock, a long statement or a slow network is", async () => {
    const test = await ground.openPool({ url: proxy.url, ...LONG, minConnections: 2, maxConnections: 3 });
    const before = await test.backends();
    const release = await ground.database.lock("locked");
    // All connections wait; then none is free to ask on.
    const waiting = Array.from({ length: 2 }, () =>
      timed(test.pool.query({ text: "select id from locked" })),
    );
    const long = timed(test.pool.query({ text: "select pg_sleep(5)" }));
    await pause(5_500);
    proxy.delay(300);
    await release();
    for (const { problem } of await Promise.all([...waiting, long])) expect(problem).toBeUndefined();
    for (let count = 0; count < 3; count += 1) await test.pool.query(ONE);
    expect(await test.backends()).toEqual(expect.arrayContaining(before));
    expect(test.warnings).toEqual([]);
  });
});

describe("connections that something on the way has forgotten", () => {
  it("are found by asking the server on others, and replaced", async () => {
    const test = await ground.openPool({ url: proxy.url, ...LONG, minConnections: 4, maxConnections: 8 });
    const { pool } = test;
    const forgotten = await test.backends();
    proxy.swallowOld();
    const first = Array.from({ length: 2 }, () => timed(pool.query(ONE)));
    for (const { problem, milliseconds } of await Promise.all(first)) {
      expect(problem).toBeDefined();
      // The way to ask may be forgotten, too, and a reply must be missing twice.
      expect(milliseconds).toBeLessThan(8_000);
    }
    await until(async () => (await timed(pool.query(ONE))).problem === undefined, 5_000);
    await until(() => pool.counts().idle >= 4, 5_000);
    const clients = await Promise.all(Array.from({ length: 4 }, () => pool.connect()));
    for (const client of clients) {
      expect(forgotten).not.toContain(client.processId);
      client.release();
    }
  });

  it("are found also when all that there may be are in use", async () => {
    const test = await ground.openPool({ url: proxy.url, ...LONG, minConnections: 3, maxConnections: 3 });
    const { pool } = test;
    proxy.swallowOld();
    const callers = Array.from({ length: 9 }, () => timed(pool.query(ONE)));
    for (const { milliseconds } of await Promise.all(callers)) expect(milliseconds).toBeLessThan(8_000);
    await until(async () => (await timed(pool.query(ONE))).problem === undefined, 5_000);
  });
});
