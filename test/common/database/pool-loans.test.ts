import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { backendOf, type PoolGround, pause, startPoolGround, timed, until } from "./pools.ts";

let ground: PoolGround;

beforeAll(async () => {
  ground = await startPoolGround();
});
afterAll(() => ground.stop());

/** A pool of one connection: whatever a borrower leaves behind, the next one would find. */
const ONE = { minConnections: 1, maxConnections: 1 } as const;

describe("what a borrower leaves behind", () => {
  it.each([
    ["a transaction", ["begin"]],
    ["a failed transaction", ["begin", "select 1 / 0"]],
    ["a failed transaction, begun and failed in one message", ["begin; select 1 / 0"]],
  ])("never reaches the next one: %s", async (_, statements) => {
    const { pool } = await ground.openPool(ONE);
    const client = await pool.connect();
    const first = await backendOf(client);
    for (const statement of statements) await client.query(statement).catch(() => undefined);
    client.release();
    const next = await pool.connect();
    const { rows } = await next.query("select now() = statement_timestamp() as outside_of_a_transaction");
    expect(rows).toEqual([{ outside_of_a_transaction: true }]);
    expect(await backendOf(next)).not.toBe(first);
    next.release();
  });

  it("never reaches the next one: a transaction whose beginning was not awaited", async () => {
    const { pool } = await ground.openPool(ONE);
    const client = await pool.connect();
    client.query("begin").catch(() => undefined);
    client.release();
    const next = await pool.connect();
    await next.query("create temporary table mine (id int)");
    await next.query("rollback");
    expect((await next.query("select to_regclass('mine') is not null as kept")).rows).toEqual([
      { kept: true },
    ]);
    next.release();
  });

  it("never makes the next one wait: a statement that nobody waits for", async () => {
    const test = await ground.openPool(ONE);
    const client = await test.pool.connect();
    client.query("select pg_sleep(20)").catch(() => undefined);
    client.release();
    const { milliseconds, problem } = await timed(test.pool.query({ text: "select 1" }));
    expect(problem).toBeUndefined();
    expect(milliseconds).toBeLessThan(3_000);
    expect(await test.serverCount()).toBe(1);
  });

  it("reaches the next one when it is a wrong statement and no more: the connection is kept", async () => {
    const { pool } = await ground.openPool(ONE);
    const client = await pool.connect();
    const first = await backendOf(client);
    await expect(client.query("select nonsense")).rejects.toMatchObject({ code: "42703" });
    client.release();
    await expect(pool.query({ text: "select 1 / 0" })).rejects.toMatchObject({ code: "22012" });
    const next = await pool.connect();
    expect(await backendOf(next)).toBe(first);
    next.release();
  });

  it("never reaches the next one: a connection that was released with an error", async () => {
    const { pool } = await ground.openPool(ONE);
    const client = await pool.connect();
    const first = await backendOf(client);
    client.release(new Error("something is odd about it"));
    const next = await pool.connect();
    expect(await backendOf(next)).not.toBe(first);
    next.release();
  });

  it("never reaches the next one: a connection that the server ended while it was on loan", async () => {
    const test = await ground.openPool(ONE);
    const client = await test.pool.connect();
    await test.terminateAll();
    await until(() => test.warnings.length > 0);
    client.release();
    await expect(test.pool.query({ text: "select 1 as one" })).resolves.toEqual([{ one: 1 }]);
  });

  it("never reaches the next one: a connection that ended in the middle of a statement", async () => {
    const { pool } = await ground.openPool(ONE);
    for (let round = 0; round < 20; round += 1) {
      const client = await pool.connect();
      await client.query("select pg_terminate_backend(pg_backend_pid())").catch(() => undefined);
      client.release();
      await expect(pool.query({ text: "select 1 as one" })).resolves.toEqual([{ one: 1 }]);
    }
  });
});

describe("a client that is released", () => {
  it("cannot be released again, not even when somebody else has its connection", async () => {
    const { pool } = await ground.openPool(ONE);
    const client = await pool.connect();
    client.release();
    expect(() => client.release()).toThrow("released twice");
    const next = await pool.connect();
    expect(() => client.release()).toThrow("released twice");
    expect(pool.counts()).toMatchObject({ active: 1, idle: 0 });
    next.release();
    expect(pool.counts()).toMatchObject({ active: 0, idle: 1 });
  });

  it("cannot be used any more", async () => {
    const { pool } = await ground.openPool(ONE);
    const client = await pool.connect();
    client.release();
    expect(() => client.query("select 1")).toThrow("used after its release");
  });
});

describe("the end of a pool", () => {
  it("waits for what is borrowed, refuses what waits, and leaves nothing", async () => {
    const test = await ground.openPool({ minConnections: 2, maxConnections: 2 });
    const { pool } = test;
    const borrowed = [await pool.connect(), await pool.connect()];
    const waiting = timed(pool.connect());
    let ended = false;
    const ending = pool.end().then(() => {
      ended = true;
    });
    expect((await waiting).problem).toBe("DATABASE_UNAVAILABLE");
    expect((await timed(pool.connect())).problem).toBe("DATABASE_UNAVAILABLE");
    await borrowed[0]?.query("select 1");
    borrowed[0]?.release();
    await pause(50);
    expect(ended).toBe(false);
    borrowed[1]?.release();
    await ending;
    await pool.end();
    expect(pool.counts()).toEqual({ opening: 0, idle: 0, active: 0, closing: 0, waiting: 0 });
    expect(await test.serverCount()).toBe(0);
  });

  it("leaves nothing when it comes while connections are being opened", async () => {
    const test = ground.newPool({ minConnections: 4 });
    const opening = timed(test.pool.open());
    await test.pool.end();
    expect((await opening).problem).toBe("DATABASE_UNAVAILABLE");
    await pause(200);
    expect(test.pool.counts()).toEqual({ opening: 0, idle: 0, active: 0, closing: 0, waiting: 0 });
    expect(await test.serverCount()).toBe(0);
  });

  it("leaves no timer: nothing is opened after it", async () => {
    const test = await ground.openPool({ minConnections: 3, maxLifetimeMs: 100 });
    await test.pool.end();
    await pause(200);
    expect(await test.serverCount()).toBe(0);
  });
});

describe("a named statement", () => {
  it("is prepared once per connection", async () => {
    const { pool } = await ground.openPool(ONE);
    const statement = { name: "count-me", text: "select $1::int as value" };
    for (const value of [1, 2, 3]) {
      await expect(pool.query({ ...statement, values: [value] })).resolves.toEqual([{ value }]);
    }
    await expect(
      pool.query({ text: "select name, generic_plans + custom_plans as uses from pg_prepared_statements" }),
    ).resolves.toEqual([{ name: "count-me", uses: "3" }]);
  });
});
