import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { adminUrl } from "../../support/database.ts";
import { pause, until, watchCount } from "../database/pools.ts";
import { startProxy } from "../database/proxy.ts";
import { type JobsGround, startJobsGround } from "./ground.ts";

let ground: JobsGround;

beforeAll(async () => {
  ground = await startJobsGround();
});
afterEach(() => ground.reset());
afterAll(() => ground.stop());

describe("jobs without their connections", () => {
  it("go on at once when all were terminated, with what ran meanwhile too", async () => {
    const go = Promise.withResolvers<void>();
    const runs: number[] = [];
    const replica = await ground.beginReplica({
      tasks: {
        async work(payload) {
          const { number } = payload as { number: number };
          runs.push(number);
          if (number === 1) await go.promise;
        },
      },
    });
    await replica.add("work", { number: 1 });
    await until(() => runs.length === 1);
    for (let round = 2; round < 6; round += 1) {
      await replica.terminateAll();
      go.resolve();
      await until(
        () =>
          replica.add("work", { number: round }).then(
            () => true,
            () => false,
          ),
        2_000,
      );
      await until(() => runs.includes(round), 2_000);
    }
    await until(async () => (await ground.rows()).length === 0, 2_000);
    expect(runs).toEqual([1, 2, 3, 4, 5]);
    await replica.jobs.end();
    expect(replica.lines).toEqual([]);
  });

  it("outlast a database that is away: what was done counts as done, and the next runs within two seconds", async () => {
    const started = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const runs: number[] = [];
    const replica = await ground.beginReplica({
      tasks: {
        async work(payload) {
          const { number } = payload as { number: number };
          runs.push(number);
          started.resolve();
          if (number === 1) await go.promise;
        },
      },
    });
    await replica.add("work", { number: 1 });
    await started.promise;
    await replica.add("work", { number: 2 }, { runAt: new Date(Date.now() + 1_000) });
    const [{ name } = { name: "" }] = await ground.query<{ name: string }>(
      "select current_database() as name",
    );
    const admin = new pg.Client({ connectionString: adminUrl });
    await admin.connect();
    await admin.query(`alter database ${name} allow_connections false`);
    await replica.terminateAll();
    go.resolve();
    await pause(4_000);
    expect(runs).toEqual([1]);
    await admin.query(`alter database ${name} allow_connections true`);
    await admin.end();
    await until(() => runs.length === 2, 2_000);
    await until(async () => (await ground.rows()).length === 0, 2_000);
    expect(runs).toEqual([1, 2]);
    await replica.jobs.end();
    expect(replica.lines).toEqual([]);
  });
});

describe("a database that swallows what it is asked", () => {
  it("is noticed, and its jobs go on some seconds after it is back", async () => {
    const way = await startProxy(ground.url);
    const runs: number[] = [];
    const work = async (payload: unknown) => void runs.push((payload as { number: number }).number);
    const replica = await ground.beginReplica({ tasks: { work }, changes: { url: way.url } });
    const elsewhere = await ground.openReplica({ tasks: { work } });
    await elsewhere.add("work", { number: 1 });
    await until(() => runs.length === 1);
    way.swallow();
    await elsewhere.add("work", { number: 2 });
    await pause(4_000);
    expect(runs).toEqual([1]);
    way.forward();
    await until(() => runs.length === 2, 8_000);
    await until(async () => (await ground.rows()).length === 0);
    await elsewhere.add("work", { number: 3 });
    await until(() => runs.length === 3, 2_000);
    await replica.jobs.end();
    await way.stop();
  });
});

describe("a pool with jobs", () => {
  it("never has more connections than its maximum, and lends all but one to others", async () => {
    let done = 0;
    const work = async () => {
      done += 1;
    };
    const replica = await ground.openReplica({
      tasks: { work },
      concurrency: 8,
      changes: { maxConnections: 3, minConnections: 1 },
    });
    const watch = watchCount(replica);
    for (let number = 0; number < 100; number += 1) await replica.add("work");
    await replica.jobs.begin();
    await until(() => done === 100);
    const [one, two] = await Promise.all([replica.pool.connect(), replica.pool.connect()]);
    one.release();
    two.release();
    await replica.terminateAll();
    await until(
      () =>
        replica.add("work").then(
          () => true,
          () => false,
        ),
      2_000,
    );
    await until(() => done > 100);
    expect((await watch.stop()).most).toBeLessThanOrEqual(3);
    await replica.jobs.end();
  });

  it("must have more than one connection", async () => {
    const changes = { maxConnections: 1, minConnections: 1 };
    await expect(ground.openReplica({ tasks: {}, changes })).rejects.toThrow(
      `DB_MAX_CONNECTIONS (1) must be at least 2 for ${ground.service}: one stays with its jobs.`,
    );
  });

  it("has none on loan after the end", async () => {
    const replica = await ground.beginReplica({ tasks: { work: async () => undefined } });
    await replica.add("work");
    await replica.jobs.end();
    expect(replica.pool.counts().active).toBe(0);
    await replica.pool.end();
  });
});

describe("the end", () => {
  it("takes nothing new and waits for what runs", async () => {
    const started = Promise.withResolvers<void>();
    const runs: string[] = [];
    const replica = await ground.beginReplica({
      concurrency: 1,
      tasks: {
        async work() {
          started.resolve();
          await pause(500);
          runs.push("work");
        },
        other: async () => void runs.push("other"),
      },
    });
    await replica.add("work");
    await started.promise;
    await replica.add("other");
    await replica.jobs.end();
    expect(runs).toEqual(["work"]);
    expect(await ground.rows()).toMatchObject([{ task: "other", attempts: 0, locked_by: null }]);
    expect(await ground.query(`select id from ${ground.service}_jobs.replicas`)).toEqual([]);
  });

  it("tells those that take too long to stop, and leaves them to others as if they had not been taken", async () => {
    const reasons: unknown[] = [];
    const tasks = {
      obedient: (_: unknown, { signal }: { signal: AbortSignal }) =>
        new Promise<void>((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason)),
        ),
      deaf: () => new Promise<void>(() => undefined),
    };
    const replica = await ground.beginReplica({ tasks });
    await replica.add("obedient", {}, { maxAttempts: 1 });
    await replica.add("deaf", {}, { maxAttempts: 1, queue: "line" });
    await until(async () => (await ground.rows()).every(({ attempts }) => attempts === 1));
    const startedAt = performance.now();
    await replica.jobs.end(300);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(await ground.rows()).toMatchObject([
      { task: "obedient", attempts: 0, locked_by: null, last_error: null },
      { task: "deaf", attempts: 0, locked_by: null, last_error: null },
    ]);
    expect(replica.lines).toEqual([
      expect.stringMatching(/^info: Job \d+ \(obedient\), attempt 1 of 1, is left to other replicas$/),
    ]);
    const next = await ground.beginReplica({
      tasks: { obedient: async () => void reasons.push(1), deaf: async () => void reasons.push(2) },
    });
    await until(() => reasons.length === 2);
    await next.jobs.end();
  });

  it("is possible without a beginning", async () => {
    const replica = await ground.openReplica({ tasks: {} });
    await replica.jobs.end();
    expect(replica.pool.counts().active).toBe(0);
  });
});
