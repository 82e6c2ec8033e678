import assert from "node:assert/strict";
import { asPartOf, type Follower, presentWork, Work } from "../deadline.ts";
import { problem } from "../problem.ts";
import { type Place, tracing } from "../tracing.ts";

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

/** A caller who waits for the value of a key. */
class Asking<Key, Value> implements Follower {
  readonly key: Key;
  readonly askedAt = performance.now();
  /** What it is asked for. */
  readonly work: Work | undefined;
  readonly place: Place | undefined = tracing?.here();
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
  batch: Batch | undefined;

  constructor(
    key: Key,
    work: Work | undefined,
    resolve: (value: Value) => void,
    reject: (error: unknown) => void,
  ) {
    this.key = key;
    this.work = work;
    this.resolve = resolve;
    this.reject = reject;
    work?.join(this);
  }

  givenUp(fault: Error): void {
    this.reject(fault);
    this.batch?.left(fault);
  }
}

/** Callers who are answered with one read: it is given up with the last of them, and never if one of them cannot leave. */
class Batch {
  readonly work: Work | undefined;
  #waiting: number;

  constructor(askings: readonly Asking<never, never>[]) {
    this.work = askings.every(({ work }) => work) ? new Work() : undefined;
    this.#waiting = askings.length;
    for (const asking of askings) asking.batch = this;
  }

  left(fault: Error): void {
    this.#waiting -= 1;
    if (this.#waiting === 0) this.work?.giveUp(fault);
  }
}

/** More keys than this many that wait for a batch are refused at once rather than queued. */
const MAX_QUEUED = 10_000;
const SHARED_SPAN = { name: "shared read", kind: "internal" } as const;

/**
 * Turns a read of many keys into a read of one key. Keys that are asked for in the same turn of the event loop, or
 * while the allowed batches are under way, go into one statement: a hundred concurrent callers need a connection or
 * two, not a hundred. Nothing is cached: each read starts after its caller asked, so no answer is older than its question.
 * A caller whose work is given up is let go at once; the read is, when all of its callers have.
 */
export function coalesce<Key, Value>(options: CoalesceOptions<Key, Value>): (key: Key) => Promise<Value> {
  let queue: Asking<Key, Value>[] = [];
  let batches = 0;
  let scheduled = false;

  function flush(): void {
    scheduled = false;
    while (queue.length > 0 && batches < options.maxBatches) {
      const batch = queue.slice(0, options.maxBatchSize).filter(({ work }) => !work?.fault);
      queue = queue.slice(options.maxBatchSize);
      if (batch.length === 0) continue;
      batches += 1;
      void run(batch);
    }
  }

  async function run(askings: readonly Asking<Key, Value>[]): Promise<void> {
    const { work } = new Batch(askings as never);
    try {
      const [first] = askings as [Asking<Key, Value>];
      const keys = askings.map(({ key }) => key);
      const read = () => asPartOf(work, () => options.read(keys, first.askedAt));
      const values = await (tracing ? tracing.shared(placesOf(askings), SHARED_SPAN, read) : read());
      assert.equal(values.length, askings.length, "a coalesced read answers each of its keys");
      for (const [index, { resolve }] of askings.entries()) resolve(values[index] as Value);
    } catch (error) {
      for (const { reject } of askings) reject(error);
    } finally {
      work?.finish();
      for (const asking of askings) asking.work?.leave(asking);
      batches -= 1;
      flush();
    }
  }

  function enqueue(key: Key, work: Work | undefined): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (queue.length >= MAX_QUEUED) return reject(problem("POOL_EXHAUSTED"));
      queue.push(new Asking(key, work, resolve, reject));
      if (scheduled) return;
      scheduled = true;
      setImmediate(flush);
    });
  }

  return (key) => {
    const work = presentWork();
    return work?.fault ? Promise.reject(work.fault) : enqueue(key, work);
  };
}

function placesOf(askings: readonly { readonly place: Place | undefined }[]) {
  return askings.map(({ place }) => place);
}
