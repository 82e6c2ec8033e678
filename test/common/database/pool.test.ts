import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type PoolGround, pause, startPoolGround, timed, until, watchCount } from "./pools.ts";

let ground: PoolGround;

beforeAll(async () => {
  ground = await startPoolGround();
});
afterAll(() => ground.stop());

describe("the minimum of connections", () => {
  it("is open before open() resolves", async () => {
    const { pool, serverCount } = await ground.openPool({ minConnections: 5 });
    expect(await serverCount()).toBe(5);
    expect(pool.counts()).toEqual({ opening: 0, idle: 5, active: 0, closing: 0, waiting: 0 });
  });

  it("stays open when idle times end, while those above it are closed", async () => {
    const { pool, serverCount } = await ground.openPool({ minConnections: 3, idleTimeoutMs: 200 });
    const borrowed = await Promise.all(Array.from({ length: 8 }, () => pool.connect()));
    expect(await serverCount()).toBe(8);
    for (const client of borrowed) client.release();
    await until(async () => (await serverCount()) === 3);
    await pause(500);
    expect(await serverCount()).toBe(3);
  });

  it("stays open throughout when lifetimes end and there is room for the successors", async () => {
    const test = await ground.openPool({ minConnections: 4, maxConnections: 10, maxLifetimeMs: 400 });
    const first = await test.backends();
    const watch = watchCount(test);
    await until(async () => (await test.backends()).every((pid) => !first.includes(pid)));
    await pause(800);
    const { least, most } = await watch.stop();
    expect(least).toBeGreaterThanOrEqual(4);
    expect(most).toBeLessThanOrEqual(10);
  });

  it("stays open throughout when lifetimes end in use", async () => {
    const test = await ground.openPool({ minConnections: 3, maxConnections: 6, maxLifetimeMs: 250 });
    const first = await test.backends();
    const watch = watchCount(test);
    const end = performance.now() + 1_000;
    async function use(): Promise<void> {
      while (performance.now() < end) await test.pool.query({ text: "select pg_sleep(0.005)" });
    }
    await Promise.all([use(), use(), use()]);
    const { least, most } = await watch.stop();
    expect((await test.backends()).filter((pid) => first.includes(pid))).toEqual([]);
    expect(least).toBeGreaterThanOrEqual(3);
    expect(most).toBeLessThanOrEqual(6);
  });

  it("is there again after every lifetime, also when it is the maximum", async () => {
    const test = await ground.openPool({ minConnections: 3, maxConnections: 3, maxLifetimeMs: 200 });
    const first = await test.backends();
    const watch = watchCount(test);
    await until(async () => (await test.backends()).every((pid) => !first.includes(pid)));
    expect((await watch.stop()).most).toBe(3);
    await until(async () => (await test.serverCount()) === 3);
  });

  it("is there again after the server has dropped every connection", async () => {
    const test = await ground.openPool({ minConnections: 5 });
    const { pool, warnings } = test;
    const first = await test.backends();
    await test.terminateAll();
    await until(async () => {
      const now = await test.backends();
      return now.length === 5 && !now.some((pid) => first.includes(pid)) && pool.counts().idle === 5;
    });
    expect(warnings[0]).toMatch(/^A database connection was lost: /);
    await expect(pool.query({ text: "select 1 as one" })).resolves.toEqual([{ one: 1 }]);
  });
});

describe("the maximum of connections", () => {
  it("is never exceeded, whatever borrowers and server do", async () => {
    const test = await ground.openPool({
      minConnections: 3,
      maxConnections: 8,
      maxLifetimeMs: 300,
      idleTimeoutMs: 100,
    });
    const { pool } = test;
    const watch = watchCount(test);
    const end = performance.now() + 3_000;
    const misdeeds = [
      "select 1",
      "select pg_sleep(0.02)",
      "select 1 / 0",
      "begin",
      "select pg_terminate_backend(pg_backend_pid())",
    ];
    let ours = 0;
    let done = 0;
    async function borrow(index: number): Promise<void> {
      for (let turn = index; performance.now() < end; turn += 1) {
        const client = await pool.connect();
        const { opening, idle, active, closing } = pool.counts();
        ours = Math.max(ours, opening + idle + active + closing);
        // Every now and then one gives up in the middle of a statement.
        if (turn % 11 === 0) {
          client.query("select pg_sleep(1)").catch(() => undefined);
          client.release(turn % 2 === 0);
          continue;
        }
        await client.query(misdeeds[turn % misdeeds.length] as string).catch(() => undefined);
        client.release(turn % 7 === 0);
        done += 1;
      }
    }
    await Promise.all(Array.from({ length: 40 }, (_, index) => borrow(index)));
    const { most } = await watch.stop();
    expect(most).toBeLessThanOrEqual(8);
    expect(ours).toBeLessThanOrEqual(8);
    expect(done).toBeGreaterThan(100);
    await until(async () => (await test.serverCount()) === 3 && pool.counts().idle === 3);
    expect(pool.counts()).toMatchObject({ active: 0, waiting: 0 });
  });
});

describe("a full pool", () => {
  it("refuses with POOL_EXHAUSTED when the acquire timeout ends, and serves again afterwards", async () => {
    const test = await ground.openPool({ minConnections: 1, maxConnections: 2, acquireTimeoutMs: 300 });
    const { pool } = test;
    const borrowed = [await pool.connect(), await pool.connect()];
    const refused = await Promise.all(Array.from({ length: 20 }, () => timed(pool.connect())));
    for (const { milliseconds, problem } of refused) {
      expect(problem).toBe("POOL_EXHAUSTED");
      // 50 ms are promised; a busy machine may take longer to say it.
      expect(milliseconds).toBeGreaterThan(290);
      expect(milliseconds).toBeLessThan(600);
    }
    expect(test.timeouts).toBe(20);
    expect(pool.counts()).toMatchObject({ active: 2, waiting: 0 });
    for (const client of borrowed) client.release();
    await expect(pool.query({ text: "select 1 as one" })).resolves.toEqual([{ one: 1 }]);
  });

  it("counts the time that a caller has been waiting already", async () => {
    const { pool } = await ground.openPool({ maxConnections: 2, acquireTimeoutMs: 2_000 });
    const borrowed = [await pool.connect(), await pool.connect()];
    const late = await timed(pool.query({ text: "select 1" }, performance.now() - 1_900));
    const tooLate = await timed(pool.query({ text: "select 1" }, performance.now() - 10_000));
    expect([late.problem, tooLate.problem]).toEqual(["POOL_EXHAUSTED", "POOL_EXHAUSTED"]);
    expect(late.milliseconds).toBeLessThan(1_000);
    expect(tooLate.milliseconds).toBeLessThan(1_000);
    for (const client of borrowed) client.release();
  });

  it("refuses at once those beyond the bound of the queue", async () => {
    const test = await ground.openPool({ minConnections: 1, maxConnections: 1, acquireTimeoutMs: 5_000 });
    const { pool } = test;
    const borrowed = await pool.connect();
    const queued = Array.from({ length: 50 }, () => pool.query({ text: "select 1" }));
    const { milliseconds, problem } = await timed(pool.connect());
    expect(problem).toBe("POOL_EXHAUSTED");
    expect(milliseconds).toBeLessThan(1_000);
    expect(test.refusals).toBe(1);
    borrowed.release();
    await Promise.all(queued);
    expect(test.timeouts).toBe(0);
  });

  it("serves those who wait in the order in which they came, and tells how long they waited", async () => {
    const test = await ground.openPool({ minConnections: 1, maxConnections: 1 });
    const { pool } = test;
    const borrowed = await pool.connect();
    const served: number[] = [];
    const waiting = Array.from({ length: 20 }, async (_, index) => {
      const client = await pool.connect();
      served.push(index);
      await client.query("select 1");
      client.release();
    });
    await pause(50);
    borrowed.release();
    await Promise.all(waiting);
    expect(served).toEqual(Array.from({ length: 20 }, (_, index) => index));
    expect(test.waits).toHaveLength(21);
    expect(test.waits[1]).toBeGreaterThan(0.04);
  });
});

describe("the lifetime of connections", () => {
  it("ends at different moments, never all at once", async () => {
    const lifetime = 3_000;
    const test = await ground.openPool({ minConnections: 12, maxConnections: 40, maxLifetimeMs: lifetime });
    const first = await test.backends();
    const openedAt = performance.now();
    const ends = new Map<number, number>();
    await until(async () => {
      const alive = new Set(await test.backends());
      for (const pid of first)
        if (!alive.has(pid) && !ends.has(pid)) ends.set(pid, performance.now() - openedAt);
      return ends.size === first.length;
    });
    const moments = [...ends.values()].sort((a, b) => a - b);
    // In the last fifth of the lifetime, spread out: that 12 fall together there has a chance of one in a million.
    expect(moments[0]).toBeGreaterThan(lifetime * 0.75);
    expect((moments.at(-1) as number) - (moments[0] as number)).toBeGreaterThan(lifetime * 0.02);
  });
});
