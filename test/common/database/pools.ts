import { randomUUID } from "node:crypto";
import type pg from "pg";
import { ConnectionPool, type PoolOptions } from "../../../services/common/database/pool.ts";
import { cloneDatabase, type TestDatabase } from "../../support/database.ts";

/** A pool under test, with what it told of itself. */
export interface TestPool {
  readonly pool: ConnectionPool;
  readonly warnings: string[];
  readonly waits: number[];
  timeouts: number;
  refusals: number;
  /** The server's count of this pool's connections. */
  serverCount(): Promise<number>;
  /** The process ids of its backends, in order. */
  backends(): Promise<number[]>;
  terminateAll(): Promise<void>;
}

export interface PoolChanges extends Partial<PoolOptions> {
  /** Where to connect to instead of the database itself. */
  readonly url?: string;
}

/** A database with pools on it; each pool has an application_name of its own. */
export interface PoolGround {
  readonly database: TestDatabase;
  /** A pool that is not open yet. */
  newPool(changes?: PoolChanges): TestPool;
  openPool(changes?: PoolChanges): Promise<TestPool>;
  stop(): Promise<void>;
}

export async function startPoolGround(): Promise<PoolGround> {
  const database = await cloneDatabase();
  const pools: ConnectionPool[] = [];

  function newPool({ url = database.url, client, ...changes }: PoolChanges = {}): TestPool {
    const name = `pool-${randomUUID()}`;
    const warnings: string[] = [];
    const waits: number[] = [];
    const select = (what: string) =>
      `select ${what} from pg_stat_activity where application_name = '${name}' and datname = current_database()`;
    const test: TestPool = {
      pool: new ConnectionPool({
        client: {
          connectionString: url,
          application_name: name,
          connectionTimeoutMillis: 5_000,
          query_timeout: 10_000,
          ...client,
        },
        maxConnections: 10,
        minConnections: 2,
        acquireTimeoutMs: 5_000,
        idleTimeoutMs: 600_000,
        maxLifetimeMs: 1_800_000,
        warn: (message) => warnings.push(message),
        metrics: {
          watch: () => undefined,
          acquired: (seconds) => waits.push(seconds),
          timedOut: () => {
            test.timeouts += 1;
          },
          refused: () => {
            test.refusals += 1;
          },
        },
        ...changes,
      }),
      warnings,
      waits,
      timeouts: 0,
      refusals: 0,
      async serverCount() {
        const [row] = await database.query<{ count: number }>(select("count(*)::int"));
        return row?.count ?? 0;
      },
      async backends() {
        const rows = await database.query<{ pid: number }>(`${select("pid")} order by pid`);
        return rows.map(({ pid }) => pid);
      },
      async terminateAll() {
        await database.query(select("pg_terminate_backend(pid)"));
      },
    };
    pools.push(test.pool);
    return test;
  }

  return {
    database,
    newPool,
    async openPool(changes) {
      const test = newPool(changes);
      await test.pool.open();
      return test;
    },
    async stop() {
      await Promise.all(pools.map((pool) => pool.end()));
      await database.drop();
    },
  };
}

/** Watches the server's count of a pool's connections as closely as it can, until it is stopped. */
export function watchCount({ serverCount }: TestPool): { stop(): Promise<{ least: number; most: number }> } {
  const seen = { least: Number.POSITIVE_INFINITY, most: 0 };
  let stopped = false;
  async function watch(): Promise<void> {
    while (!stopped) {
      const count = await serverCount();
      seen.least = Math.min(seen.least, count);
      seen.most = Math.max(seen.most, count);
    }
  }
  const watching = watch();
  return {
    async stop() {
      stopped = true;
      await watching;
      return seen;
    },
  };
}

/** Waits until something is so. */
export async function until(isSo: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`It was not so within ${timeoutMs} ms: ${isSo}`);
    await pause(5);
  }
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** How many milliseconds something takes, and the problem that it ends with, if it does. */
export async function timed(work: Promise<unknown>): Promise<{ milliseconds: number; problem?: string }> {
  const startedAt = performance.now();
  try {
    await work;
    return { milliseconds: performance.now() - startedAt };
  } catch (error) {
    return {
      milliseconds: performance.now() - startedAt,
      problem: (error as { type?: string }).type ?? String(error),
    };
  }
}

export async function backendOf(client: { query: pg.Client["query"] }): Promise<number> {
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return rows[0]?.pid as number;
}
