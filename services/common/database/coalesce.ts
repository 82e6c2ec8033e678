import assert from "node:assert/strict";
import { problem } from "../problem.ts";

/** How reads of one kind are put together. */
export interface CoalesceOptions<Key, Value> {
  /** The most keys in one batch. */
  readonly maxBatchSize: number;
  /** The most batches at once, and with it the connections that this read can hold. */
  readonly maxBatches: number;
  /**
   * Reads all keys with one statement; answers in the order of the keys.
   * @param askedAt since when the first of them has been waiting, for `ConnectionPool.query`.
   */
  readonly read: (keys: readonly Key[], askedAt: number) => Promise<readonly Value[]>;
}

interface Item<Key, Value> {
  readonly key: Key;
  readonly askedAt: number;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}

/** More keys than this many that wait for a batch are refused at once rather than queued. */
const MAX_QUEUED = 10_000;

/**
 * Turns a read of many keys into a read of one key. Keys that are asked for in the same turn of the event loop, or
 * while the allowed batches are under way, go into one statement: a hundred concurrent callers need a connection or
 * two, not a hundred. Nothing is cached: each read starts after its caller asked, so no answer is older than its question.
 */
export function coalesce<Key, Value>(options: CoalesceOptions<Key, Value>): (key: Key) => Promise<Value> {
  let queue: Item<Key, Value>[] = [];
  let batches = 0;
  let scheduled = false;

  function flush(): void {
    scheduled = false;
    while (queue.length > 0 && batches < options.maxBatches) {
      const batch = queue.slice(0, options.maxBatchSize);
      queue = queue.slice(options.maxBatchSize);
      batches += 1;
      void run(batch);
    }
  }

  async function run(batch: readonly Item<Key, Value>[]): Promise<void> {
    try {
      const [first] = batch as [Item<Key, Value>];
      const values = await options.read(
        batch.map(({ key }) => key),
        first.askedAt,
      );
      assert.equal(values.length, batch.length, "a coalesced read answers each of its keys");
      for (const [index, { resolve }] of batch.entries()) resolve(values[index] as Value);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      batches -= 1;
      flush();
    }
  }

  return (key) =>
    new Promise((resolve, reject) => {
      if (queue.length >= MAX_QUEUED) return reject(problem("POOL_EXHAUSTED"));
      queue.push({ key, askedAt: performance.now(), resolve, reject });
      if (scheduled) return;
      scheduled = true;
      setImmediate(flush);
    });
}
