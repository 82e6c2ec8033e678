import type { EventEmitter } from "node:events";
import pg from "pg";
import type { ConnectionPool } from "../database/pool.ts";
import { isPassing, persistently, withLimit } from "./persistence.ts";

/**
 * The statements by which graphile-worker ends or frees jobs. `settle.ts` has done that before, with a fence that
 * these lack; and nobody awaits these: one that failed would end the process as an unhandled rejection.
 */
const SETTLED_ALREADY = /^(complete_job|fail_job|clear_stale_locks)/;
/** The statement that takes a job is not repeated: it may have taken one although its answer never came. */
const TAKES_A_JOB = /^get_job/;

/** A job's lock is told from others by its time, to the microsecond: that is left as text. */
const lockTimesAsText: pg.CustomTypesConfig = {
  getTypeParser: (type: number, format?: "text" | "binary") =>
    type === pg.types.builtins.TIMESTAMPTZ ? (text: string) => text : pg.types.getTypeParser(type, format),
};

type Statement = [statement: pg.QueryConfig | string, values?: unknown[]];

export interface WorkerPoolOptions {
  readonly pool: ConnectionPool;
  /** What it is to take for the connection that listens: it emits `notification`. */
  readonly listener: EventEmitter;
  /** After that, nothing is repeated any more. */
  readonly isOver: () => boolean;
}

/**
 * Our pool as graphile-worker sees it: what it uses of a `pg.Pool`, and no more. It borrows a connection per statement,
 * and repeats statements while the database is away, as graphile-worker itself mostly would not: it remembers a
 * failed look-up of its tasks for ever, and pauses for up to two minutes.
 */
export function workerPool({ pool, listener, isOver }: WorkerPoolOptions): pg.Pool {
  async function attempt(config: pg.QueryConfig) {
    const rows = await pool.query(config);
    return { rows, rowCount: rows.length };
  }

  async function take(config: pg.QueryConfig) {
    try {
      return await attempt(withLimit(config));
    } catch (error) {
      // Without a code of its own, so that it asks again at its next look and not after a pause.
      throw isPassing(error) ? new Error((error as Error).message, { cause: error }) : error;
    }
  }

  async function run(config: pg.QueryConfig) {
    const name = config.name ?? "";
    if (SETTLED_ALREADY.test(name)) return { rows: [], rowCount: 0 };
    return TAKES_A_JOB.test(name) ? take(config) : persistently(() => attempt(config), isOver);
  }

  const client = {
    query: (...statement: Statement) => run({ ...configOf(statement), types: lockTimesAsText }),
    release: () => undefined,
  };
  const listening = Object.assign(listener, { query: async () => ({ rows: [] }) });
  const adapter = {
    options: { max: pool.maxConnections },
    // It would complain of a pool without listeners for lost connections; ours has its own.
    listeners: () => [() => undefined],
    // Its schedules compare times, which our pool would leave as text.
    query: (...statement: Statement) => run({ ...configOf(statement), types: pg.types }),
    // With a function it asks for the connection that listens, else for one that runs statements.
    connect: (connected?: (error: undefined, client: unknown, release: () => void) => void) =>
      connected ? connected(undefined, listening, () => undefined) : Promise.resolve(client),
  };
  return adapter as unknown as pg.Pool;
}

function configOf([statement, values]: Statement): pg.QueryConfig {
  return typeof statement === "string" ? { text: statement, ...(values && { values }) } : statement;
}
