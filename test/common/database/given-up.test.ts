import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { coalesce } from "../../../services/common/database/coalesce.ts";
import { readDatabaseSettings } from "../../../services/common/database/config.ts";
import { openDatabase } from "../../../services/common/database/database.ts";
import { inTransaction } from "../../../services/common/database/transaction.ts";
import { asPartOf, begin, end, Work } from "../../../services/common/deadline.ts";
import { problem } from "../../../services/common/problem.ts";
import { type PoolGround, pause, startPoolGround, type TestPool, timed, until } from "./pools.ts";

let ground: PoolGround;
beforeAll(async () => {
  ground = await startPoolGround();
  await ground.database.query("create table written (id int)");
});
afterAll(() => ground.stop());

const fault = problem("DEADLINE_EXCEEDED");
const SLEEP = { text: "select pg_sleep(20)" };
/** 100 ms are promised; the rest is for a busy machine. */
const STOPPED_WITHIN_MS = 500;

/** What the pool's backends do, as the server sees it. */
async function states({ backends }: TestPool): Promise<(string | null)[]> {
  const pids = await backends();
  const rows = await ground.database.query<{ state: string | null }>(
    "select state from pg_stat_activity where pid = any($1)",
    [pids],
  );
  return rows.map(({ state }) => state);
}

async function isRunning(test: TestPool): Promise<boolean> {
  return (await states(test)).includes("active");
}

async function untilStopped(test: TestPool): Promise<number> {
  const startedAt = performance.now();
  await until(async () => !(await isRunning(test)), 5_000);
  return performance.now() - startedAt;
}

async function isWritten(id: number): Promise<boolean> {
  return (await ground.database.query("select from written where id = $1", [id])).length > 0;
}

describe("a statement whose work is given up", () => {
  it("is cancelled, and its connection serves the next", async () => {
    const test = await ground.openPool({ minConnections: 1, maxConnections: 1 });
    const before = await test.backends();
    const work = new Work();
    const sleeping = timed(asPartOf(work, () => test.pool.query(SLEEP)));
    await until(() => isRunning(test));
    work.giveUp(fault);
    expect(await untilStopped(test)).toBeLessThan(STOPPED_WITHIN_MS);
    expect((await sleeping).milliseconds).toBeLessThan(10_000);
    await expect(test.pool.query({ text: "select 1 as one" })).resolves.toEqual([{ one: 1 }]);
    expect(await test.backends()).toEqual(before);
  });

  it("is cancelled when its time is up", async () => {
    const test = await ground.openPool({ minConnections: 1 });
    const work = new Work({ until: performance.now() + 300 });
    begin(work);
    const sleeping = asPartOf(work, () => test.pool.query(SLEEP));
    await expect(sleeping).rejects.toMatchObject({ code: "57014" });
    expect(performance.now() - work.until).toBeLessThan(STOPPED_WITHIN_MS);
    end(work);
  });

  it("is not begun any more", async () => {
    const test = await ground.openPool();
    const work = new Work();
    work.giveUp(fault);
    const write = () => test.pool.query({ text: "insert into written values (1)" });
    await expect(asPartOf(work, write)).rejects.toBe(fault);
    expect(await isWritten(1)).toBe(false);
  });

  it("never has its cancel hit the next one on its connection, however late it comes", async () => {
    const test = await ground.openPool({ minConnections: 1, maxConnections: 1 });
    for (let round = 0; round < 150; round += 1) {
      const work = new Work();
      const short = timed(asPartOf(work, () => test.pool.query({ text: "select pg_sleep(0.003)" })));
      // About when it ends by itself: before, at the same time, after.
      setTimeout(() => work.giveUp(fault), 1 + (round % 6));
      const next = test.pool.query({ text: "select pg_sleep(0.002)" });
      await Promise.all([short, next]);
    }
    await until(() => test.pool.counts().idle === 1, 3_000);
  });

  it("leaves the line if it only waited, at once and without a trace", async () => {
    const test = await ground.openPool({ minConnections: 1, maxConnections: 1, acquireTimeoutMs: 20_000 });
    const borrowed = await test.pool.connect();
    const work = new Work();
    const waiting = asPartOf(work, () => test.pool.query({ text: "insert into written values (2)" }));
    const behind = test.pool.query({ text: "select 3 as three" });
    expect(test.pool.counts().waiting).toBe(2);
    work.giveUp(fault);
    await expect(waiting).rejects.toBe(fault);
    expect(test.pool.counts().waiting).toBe(1);
    borrowed.release();
    await expect(behind).resolves.toEqual([{ three: 3 }]);
    expect(await isWritten(2)).toBe(false);
    expect(test.timeouts).toBe(0);
  });

  it("goes on when its work has ended without waiting for it", async () => {
    const test = await ground.openPool();
    const work = new Work();
    const left = asPartOf(work, () => test.pool.query({ text: "select pg_sleep(0.1)" }));
    work.finish();
    work.giveUp(fault);
    await expect(left).resolves.toHaveLength(1);
  });
});

describe("a transaction whose work is given up", () => {
  it.each([
    ["in the middle of a statement", 10],
    ["between two statements", 11],
  ])("%s is rolled back, and leaves nothing open", async (moment, id) => {
    const test = await ground.openPool({ minConnections: 1, maxConnections: 1 });
    const work = new Work();
    const reached = Promise.withResolvers<void>();
    const writing = asPartOf(work, () =>
      inTransaction(test.pool, async (query) => {
        await query({ text: "insert into written values ($1)", values: [id] });
        reached.resolve();
        if (moment === "between two statements") await pause(200);
        await query(SLEEP);
      }),
    );
    writing.catch(() => undefined);
    await reached.promise;
    await pause(50);
    work.giveUp(fault);
    await expect(writing).rejects.toBeDefined();
    await until(async () => (await states(test)).every((state) => state === "idle"), 2_000);
    expect(await isWritten(id)).toBe(false);
    // It comes back when the server has taken the cancel request.
    await until(() => test.pool.counts().idle === 1, 3_000);
  });

  it("right before its commit is rolled back; after it, it is done", async () => {
    const test = await ground.openPool();
    const work = new Work();
    const before = asPartOf(work, () =>
      inTransaction(test.pool, async (query) => {
        await query({ text: "insert into written values (12)" });
        work.giveUp(fault);
      }),
    );
    await expect(before).rejects.toBe(fault);
    expect(await isWritten(12)).toBe(false);
    const later = new Work();
    await asPartOf(later, () =>
      inTransaction(test.pool, (query) => query({ text: "insert into written values (13)" })),
    );
    later.giveUp(fault);
    expect(await isWritten(13)).toBe(true);
  });

  it("has the time that is left as the limit of its statements, where that is less than the connection's", async () => {
    const test = await ground.openPool({ client: { statement_timeout: 15_000 } });
    const limitOf = (work: Work) =>
      asPartOf(work, () =>
        inTransaction(test.pool, async (query) => {
          const [row] = await query<{ setting: number }>({
            text: "select setting::int from pg_settings where name = 'statement_timeout'",
          });
          return row?.setting ?? 0;
        }),
      );
    const short = await limitOf(new Work({ until: performance.now() + 2_000 }));
    expect(short).toBeGreaterThan(1_000);
    expect(short).toBeLessThanOrEqual(2_001);
    await expect(limitOf(new Work({ until: performance.now() + 30_000 }))).resolves.toBe(15_000);
    await expect(limitOf(new Work())).resolves.toBe(15_000);
  });
});

describe("a transaction of MikroORM", () => {
  it("has the time that is left as the limit of its statements, too", async () => {
    const environment = { DATABASE_URL: ground.database.url, DB_MIN_CONNECTIONS: "1" };
    const opened = await openDatabase({
      settings: readDatabaseSettings("tester", environment),
      entities: [],
      migrations: [],
      log: { info: () => undefined, warn: () => undefined },
    });
    const limitOf = (work: Work) =>
      asPartOf(work, () =>
        opened.fork().transactional(async (em) => {
          const [row] = await em.execute<{ limit: number }[]>(
            "select setting::int as limit from pg_settings where name = 'statement_timeout'",
          );
          return row?.limit;
        }),
      );
    const short = await limitOf(new Work({ until: performance.now() + 3_000 }));
    expect(short).toBeLessThanOrEqual(3_001);
    expect(short).toBeGreaterThan(1_000);
    await expect(limitOf(new Work())).resolves.toBe(15_000);
    await opened.close();
  });
});

describe("a read that several share", () => {
  function sharedRead({ pool }: TestPool) {
    return coalesce<number, number>({
      maxBatchSize: 100,
      maxBatches: 1,
      read: async (keys, askedAt) => {
        await pool.query({ text: "select pg_sleep(0.7)" }, askedAt);
        return keys;
      },
    });
  }

  it("goes on while one of them is there, and lets the others go at once", async () => {
    const test = await ground.openPool();
    const read = sharedRead(test);
    const works = [new Work(), new Work(), new Work()];
    const readings = works.map((work, key) => timed(asPartOf(work, () => read(key))));
    await until(() => isRunning(test));
    for (const work of works.slice(1)) work.giveUp(fault);
    const [stays, ...left] = await Promise.all(readings);
    expect(stays?.problem).toBeUndefined();
    for (const each of left) {
      expect(each.problem).toBe("DEADLINE_EXCEEDED");
      expect(each.milliseconds).toBeLessThan(stays?.milliseconds ?? 0);
    }
  });

  it("is cancelled when all have left, and those that wait for the next batch are read", async () => {
    const test = await ground.openPool();
    const read = sharedRead(test);
    const works = [new Work(), new Work()];
    const readings = works.map((work, key) => timed(asPartOf(work, () => read(key))));
    await until(() => isRunning(test));
    const gone = new Work();
    const queued = [timed(asPartOf(gone, () => read(5))), timed(asPartOf(new Work(), () => read(6)))];
    const startedAt = performance.now();
    for (const work of [...works, gone]) work.giveUp(fault);
    for (const { problem: code } of await Promise.all(readings)) expect(code).toBe("DEADLINE_EXCEEDED");
    const [left, stays] = await Promise.all(queued);
    expect(left?.problem).toBe("DEADLINE_EXCEEDED");
    expect(stays?.problem).toBeUndefined();
    // The first read would have taken as long again.
    expect(performance.now() - startedAt).toBeLessThan(1_300);
  });

  it("goes on for one whom nobody can give up, whoever leaves", async () => {
    const test = await ground.openPool();
    const read = sharedRead(test);
    const work = new Work();
    const readings = [asPartOf(work, () => read(1)), read(2)];
    await until(() => isRunning(test));
    work.giveUp(fault);
    await expect(readings[0]).rejects.toBe(fault);
    await expect(readings[1]).resolves.toBe(2);
  });
});
