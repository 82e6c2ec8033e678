import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { coalesce } from "../../../services/common/database/coalesce.ts";
import { type PoolGround, pause, startPoolGround, timed } from "./pools.ts";

/** A read that keeps a record, and ends when the test says so. */
function heldRead(options: { maxBatchSize?: number; maxBatches?: number } = {}) {
  const batches: { keys: readonly number[]; finish: () => void; fail: (error: Error) => void }[] = [];
  const read = coalesce<number, string>({
    maxBatchSize: 100,
    maxBatches: 2,
    ...options,
    read: (keys) =>
      new Promise((resolve, reject) => {
        batches.push({ keys, finish: () => resolve(keys.map((key) => `value of ${key}`)), fail: reject });
      }),
  });
  return { read, batches };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe("coalesce", () => {
  it("puts the keys of one turn of the event loop into one batch, in their order", async () => {
    const { read, batches } = heldRead();
    const answers = [read(3), read(1), read(3), Promise.resolve().then(() => read(2))];
    await turn();
    expect(batches.map(({ keys }) => keys)).toEqual([[3, 1, 3, 2]]);
    batches[0]?.finish();
    await expect(Promise.all(answers)).resolves.toEqual([
      "value of 3",
      "value of 1",
      "value of 3",
      "value of 2",
    ]);
  });

  it("puts no more keys into a batch, and has no more batches at once, than allowed", async () => {
    const { read, batches } = heldRead({ maxBatchSize: 3, maxBatches: 2 });
    const answers = Promise.all(Array.from({ length: 8 }, (_, key) => read(key)));
    await turn();
    expect(batches.map(({ keys }) => keys)).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    batches[1]?.finish();
    await turn();
    expect(batches.map(({ keys }) => keys)).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6, 7],
    ]);
    batches[0]?.finish();
    batches[2]?.finish();
    await expect(answers).resolves.toEqual(Array.from({ length: 8 }, (_, key) => `value of ${key}`));
  });

  it("gathers those who come while all batches are under way", async () => {
    const { read, batches } = heldRead({ maxBatches: 1 });
    const answers = [read(0)];
    await turn();
    for (const key of [1, 2, 3]) {
      answers.push(read(key));
      await turn();
    }
    expect(batches).toHaveLength(1);
    batches[0]?.finish();
    await turn();
    expect(batches.map(({ keys }) => keys)).toEqual([[0], [1, 2, 3]]);
    batches[1]?.finish();
    await expect(Promise.all(answers)).resolves.toHaveLength(4);
  });

  it("never answers with what was read before the question was asked", async () => {
    let written = 0;
    const read = coalesce<null, number>({
      maxBatchSize: 10,
      maxBatches: 2,
      read: async (keys) => {
        const value = written;
        await pause(Math.random() * 3);
        return keys.map(() => value);
      },
    });
    async function check(): Promise<void> {
      for (let round = 0; round < 50; round += 1) {
        written += 1;
        const askedFor = written;
        if (round % 3 === 0) await turn();
        expect(await read(null)).toBeGreaterThanOrEqual(askedFor);
      }
    }
    await Promise.all(Array.from({ length: 30 }, check));
  });

  it("lets an error reach those of its batch only, and goes on", async () => {
    const { read, batches } = heldRead({ maxBatchSize: 2, maxBatches: 2 });
    const answers = [0, 1, 2, 3, 4].map((key) => read(key).catch((error: Error) => error.message));
    await turn();
    batches[0]?.fail(new Error("no"));
    batches[1]?.finish();
    await turn();
    batches[2]?.finish();
    await expect(Promise.all(answers)).resolves.toEqual([
      "no",
      "no",
      "value of 2",
      "value of 3",
      "value of 4",
    ]);
  });

  it("fails a batch whose read throws at once, or answers too few", async () => {
    const throwing = coalesce<number, number>({
      maxBatchSize: 2,
      maxBatches: 1,
      read: () => {
        throw new Error("at once");
      },
    });
    await expect(throwing(1)).rejects.toThrow("at once");
    await expect(throwing(2)).rejects.toThrow("at once");
    const short = coalesce<number, number>({ maxBatchSize: 5, maxBatches: 1, read: async () => [1] });
    await expect(Promise.all([short(1), short(2)])).rejects.toThrow("answers each of its keys");
  });

  it("refuses at once those beyond the bound of its queue", async () => {
    const { read, batches } = heldRead({ maxBatches: 1 });
    const answers = Array.from({ length: 10_000 }, (_, key) => read(key));
    await expect(read(10_000)).rejects.toMatchObject({ type: "POOL_EXHAUSTED" });
    for (let batch = 0; batch < 100; batch += 1) {
      await turn();
      batches[batch]?.finish();
    }
    await expect(Promise.all(answers)).resolves.toHaveLength(10_000);
  });
});

describe("coalesce on a pool", () => {
  let ground: PoolGround;
  beforeAll(async () => {
    ground = await startPoolGround();
  });
  afterAll(() => ground.stop());

  it("needs as many connections as batches, for any number of callers", async () => {
    const { pool } = await ground.openPool({ minConnections: 1, maxConnections: 10 });
    const read = coalesce<number, number>({
      maxBatchSize: 50,
      maxBatches: 2,
      read: async (keys, askedAt) => {
        const text =
          "select key * 2 as double from unnest($1::int[]) with ordinality as k (key, n) order by n";
        const rows = await pool.query<{ double: number }>({ text, values: [keys] }, askedAt);
        return rows.map(({ double }) => double);
      },
    });
    const answers = await Promise.all(Array.from({ length: 1_000 }, (_, key) => read(key)));
    expect(answers).toEqual(Array.from({ length: 1_000 }, (_, key) => key * 2));
    const { idle, active } = pool.counts();
    expect(idle + active).toBeLessThanOrEqual(2);
  });

  it("refuses each caller within the acquire timeout of his own call when the pool is full", async () => {
    const { pool } = await ground.openPool({ minConnections: 1, maxConnections: 1, acquireTimeoutMs: 400 });
    const borrowed = await pool.connect();
    const read = coalesce<number, number>({
      maxBatchSize: 2,
      maxBatches: 1,
      read: async (keys, askedAt) => {
        await pool.query({ text: "select 1" }, askedAt);
        return [...keys];
      },
    });
    const callers = Array.from({ length: 20 }, async (_, index) => {
      await pause(index * 30);
      return timed(read(index));
    });
    for (const { milliseconds, problem } of await Promise.all(callers)) {
      expect(problem).toBe("POOL_EXHAUSTED");
      expect(milliseconds).toBeLessThan(750);
    }
    borrowed.release();
    await expect(read(7)).resolves.toBe(7);
  });
});
