import { setTimeout } from "node:timers/promises";
import type pg from "pg";
import { databaseProblem } from "../database/errors.ts";
import { CONFLICTS, sqlStateOf } from "../database/sql-states.ts";

const RETRY_PAUSE_MS = 200;
/** For what must not wait long for a server that gives no answer. */
const STATEMENT_LIMIT_MS = 5_000;

/** Repeats what may be repeated while the database is away or its pool used up, until it is over anyhow. */
export async function persistently<Result>(
  work: () => Promise<Result>,
  isOver: () => boolean,
): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (isOver() || !isPassing(error)) throw error;
      await setTimeout(RETRY_PAUSE_MS);
    }
  }
}

/** Whether an error says: not now. The pool's own problems carry their name as `type`. */
export function isPassing(error: unknown): boolean {
  const { type } = (error ?? {}) as { type?: string };
  if (type === "DATABASE_UNAVAILABLE" || type === "POOL_EXHAUSTED") return true;
  return databaseProblem(error) !== undefined || CONFLICTS.has(sqlStateOf(error) ?? "");
}

/** A statement that has failed when it is not answered soon. The driver takes that with it; its types do not say so. */
export function withLimit(statement: pg.QueryConfig): pg.QueryConfig {
  return Object.assign({ query_timeout: STATEMENT_LIMIT_MS }, statement);
}
