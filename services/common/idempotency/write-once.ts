import type { ConnectionPool } from "../database/pool.ts";
import { inTransaction, type Query } from "../database/transaction.ts";
import type { Writing } from "../database/writing.ts";

/** What goes along with an effect in its transaction. */
export interface Companion<Result> {
  /** Comes first. */
  readonly claim: (query: Query) => Promise<void>;
  /** Comes last, with what the work has answered. */
  readonly keep: (query: Query, result: Result) => Promise<void>;
}

/**
 * Does some work whose writes are one transaction, with a claim before the first of them and the result after the last.
 * The transaction begins with the first write, so that no connection is held while the work only reads or asks others.
 * It is rolled back when anything of it throws.
 */
export async function writeOnce<Result>(
  pool: ConnectionPool,
  { claim, keep }: Companion<Result>,
  work: (db: Writing) => Promise<Result>,
): Promise<Result> {
  const outcome = Promise.withResolvers<Result>();
  // Nobody waits for it when the work fails before its first write.
  outcome.promise.catch(() => undefined);
  let begun: Promise<Query> | undefined;
  let ended: Promise<void> | undefined;

  function begin(): Promise<Query> {
    begun ??= new Promise((resolve, reject) => {
      ended = inTransaction(pool, async (query) => {
        await claim(query);
        resolve(query);
        await keep(query, await outcome.promise);
      });
      ended.catch(reject);
    });
    return begun;
  }

  const query: Query = async (statement) => (await begin())(statement);
  try {
    const result = await work({ query, racing: query, transaction: async (part) => part(await begin()) });
    // Also work that has found nothing to write has been done.
    await begin();
    outcome.resolve(result);
    await ended;
    return result;
  } catch (error) {
    outcome.reject(error);
    await ended?.catch(() => undefined);
    throw error;
  }
}
