import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { inTransaction } from "../../../services/common/database/transaction.ts";
import type { Task } from "../../../services/common/jobs.ts";
import { pause, until } from "../database/pools.ts";
import { type JobsGround, startJobsGround } from "./ground.ts";

let ground: JobsGround;

beforeAll(async () => {
  ground = await startJobsGround();
});
afterAll(() => ground.stop());
afterEach(() => ground.reset());

/** A task that notes each of its runs. */
function recorder(payloads: unknown[] = []) {
  const task: Task = async (payload) => void payloads.push(payload);
  return { payloads, task };
}

describe("a job", () => {
  it("runs after the commit of the transaction that stored it, and leaves nothing", async () => {
    const { payloads, task } = recorder();
    const replica = await ground.beginReplica({ tasks: { work: task } });
    await inTransaction(replica.pool, async (query) => {
      await replica.jobs.add(query, "work", { number: 1 });
      await pause(300);
      expect(payloads).toEqual([]);
    });
    await until(() => payloads.length === 1);
    expect(payloads).toEqual([{ number: 1 }]);
    await until(async () => (await ground.rows()).length === 0);
    await replica.jobs.end();
    expect(replica.lines).toEqual([]);
  });

  it("never runs when that transaction is rolled back", async () => {
    const { payloads, task } = recorder();
    const replica = await ground.beginReplica({ tasks: { work: task } });
    const failing = inTransaction(replica.pool, async (query) => {
      await replica.jobs.add(query, "work", { number: 1 });
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    await replica.add("work", { number: 2 });
    await until(() => payloads.length > 0);
    await pause(1_200);
    expect(payloads).toEqual([{ number: 2 }]);
    await replica.jobs.end();
  });

  it("runs once, whichever of several replicas takes it", async () => {
    const { payloads, task } = recorder();
    const by = [0, 0, 0];
    const replicas = await Promise.all(
      by.map((_, index) =>
        ground.beginReplica({
          tasks: {
            work: async (...job) => {
              by[index] = (by[index] as number) + 1;
              await pause(5);
              await task(...job);
            },
          },
        }),
      ),
    );
    const numbers = Array.from({ length: 60 }, (_, number) => number);
    await Promise.all(numbers.map((number) => replicas[number % 3]?.add("work", { number })));
    await until(async () => (await ground.rows()).length === 0);
    expect(payloads.map((payload) => (payload as { number: number }).number).sort((a, b) => a - b)).toEqual(
      numbers,
    );
    expect(by.filter((count) => count > 0).length).toBeGreaterThan(1);
    await Promise.all(replicas.map(({ jobs }) => jobs.end()));
  });

  it("waits for its time", async () => {
    const { payloads, task } = recorder();
    const replica = await ground.beginReplica({ tasks: { work: task } });
    const runAt = new Date(Date.now() + 2_000);
    await replica.add("work", { number: 1 }, { runAt });
    await until(() => payloads.length === 1);
    expect(Date.now()).toBeGreaterThanOrEqual(runAt.getTime() - 50);
    await replica.jobs.end();
  });

  it("is one of its key while it waits", async () => {
    const { payloads, task } = recorder();
    const replica = await ground.openReplica({ tasks: { work: task } });
    for (const number of [1, 2, 3]) await replica.add("work", { number }, { key: "one" });
    for (const number of [4, 5]) {
      await replica.add("work", { number }, { key: "other", keyMode: "unsafe_dedupe" });
    }
    await replica.jobs.begin();
    await until(async () => (await ground.rows()).length === 0);
    expect(payloads).toHaveLength(2);
    expect(payloads).toEqual(expect.arrayContaining([{ number: 3 }, { number: 4 }]));
    await replica.jobs.end();
  });

  it("that fails after a newer one took its key is not attempted again", async () => {
    const started = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const payloads: unknown[] = [];
    const replica = await ground.beginReplica({
      tasks: {
        work: async (payload) => {
          payloads.push(payload);
          if (payloads.length > 1) return;
          started.resolve();
          await go.promise;
          throw new Error("too late");
        },
      },
    });
    await replica.add("work", { number: 1 }, { key: "one" });
    await started.promise;
    await replica.add("work", { number: 2 }, { key: "one" });
    await until(() => payloads.length === 2);
    go.resolve();
    await until(async () => (await ground.rows()).length === 0);
    expect(payloads).toEqual([{ number: 1 }, { number: 2 }]);
    await replica.jobs.end();
  });

  it("of a task that the service does not have is a mistake", async () => {
    const replica = await ground.openReplica({ tasks: {} });
    await expect(replica.add("work")).rejects.toThrow("There is no task work to add a job of.");
  });
});

describe("a queue", () => {
  it("runs its jobs one at a time, over all replicas, while others run beside it", async () => {
    let running = 0;
    let most = 0;
    let done = 0;
    const tasks = {
      work: async () => {
        running += 1;
        most = Math.max(most, running);
        await pause(30);
        running -= 1;
        done += 1;
      },
      other: async () => {
        done += 1;
      },
    };
    const replicas = await Promise.all([ground.beginReplica({ tasks }), ground.beginReplica({ tasks })]);
    for (let number = 0; number < 10; number += 1) {
      await replicas[number % 2]?.add("work", {}, { queue: "line" });
      await replicas[number % 2]?.add("other");
    }
    await until(() => done === 20, 20_000);
    expect(most).toBe(1);
    await Promise.all(replicas.map(({ jobs }) => jobs.end()));
  });
});

describe("a failing job", () => {
  it("is attempted again later, with one line in the log for each failure and no payload", async () => {
    const attempts: number[] = [];
    const replica = await ground.beginReplica({
      tasks: {
        work: async (_, { attempt, jobId }) => {
          expect(jobId).toMatch(/^\d+$/);
          attempts.push(attempt);
          if (attempt === 1) throw new Error("not\nyet");
        },
      },
    });
    await replica.add("work", { secret: "canary" });
    await until(() => attempts.length === 2);
    await until(async () => (await ground.rows()).length === 0);
    expect(attempts).toEqual([1, 2]);
    expect(replica.lines).toEqual([
      expect.stringMatching(/^warn: Job \d+ \(work\), attempt 1 of 25, failed: not yet$/),
    ]);
    await replica.jobs.end();
  });

  it("is set aside after its last attempt, and frees its queue", async () => {
    const { payloads, task } = recorder();
    const replica = await ground.beginReplica({
      tasks: {
        broken: async () => {
          throw new Error("never");
        },
        work: task,
      },
    });
    await replica.add("broken", {}, { maxAttempts: 2, queue: "line" });
    await until(async () => (await ground.rows())[0]?.attempts === 2);
    await until(async () => (await ground.rows())[0]?.locked_by === null);
    await replica.add("work", {}, { queue: "line" });
    await until(() => payloads.length === 1);
    await pause(1_500);
    expect(await ground.rows()).toEqual([
      { task: "broken", attempts: 2, key: null, locked_by: null, last_error: "never" },
    ]);
    expect(replica.lines).toEqual([
      expect.stringMatching(/^warn: Job \d+ \(broken\), attempt 1 of 2, failed: never$/),
      expect.stringMatching(/^error: Job \d+ \(broken\), attempt 2 of 2, failed and is set aside: never$/),
    ]);
    await replica.jobs.end();
  });
});
