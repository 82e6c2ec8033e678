import type { ConnectionPool } from "./pool.ts";
import { retryLostRaces } from "./retry.ts";
import { inTransaction, type Query } from "./transaction.ts";

/**
 * How the writes of an action reach the database: each by itself, or all of them in one transaction with what must be
 * stored with them. Whoever is given one writes through it, and reads through the pool only before the first write:
 * a transaction holds its connection already, and must not wait for another.
 */
export interface Writing {
  /** Runs one statement. */
  readonly query: Query;
  /** Runs one statement; again, when it lost a race against a concurrent transaction. */
  readonly racing: Query;
  /** Runs several in one transaction; again from the beginning, when it lost a race. */
  readonly transaction: <Result>(work: (query: Query) => Promise<Result>) => Promise<Result>;
}

/** Each write by itself. */
export function writingTo(pool: ConnectionPool): Writing {
  return {
    query: (statement) => pool.query(statement),
    racing: (statement) => retryLostRaces(() => pool.query(statement)),
    transaction: (work) => retryLostRaces(() => inTransaction(pool, work)),
  };
}
