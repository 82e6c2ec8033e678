/** How reads of one kind are put together. */
export interface CoalesceOptions<Key, Value> {
  /** The most keys in one batch. */
  readonly maxBatchSize: number;
  /** The most batches at once, and with it the connections that this read can hold. */
  readonly maxBatches: number;
  /** Reads all keys with one statement; answers in the order of the keys. */
  readonly read: (keys: readonly Key[]) => Promise<readonly Value[]>;
}

interface Item<Key, Value> {
  readonly key: Key;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}

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
      const values = await options.read(batch.map(({ key }) => key));
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
      queue.push({ key, resolve, reject });
      if (scheduled) return;
      scheduled = true;
      setImmediate(flush);
    });
}
