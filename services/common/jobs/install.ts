import { Logger, runMigrations } from "graphile-worker";
import pg from "pg";
import { LOCK_TIMEOUT_MS } from "../database/migration-locks.ts";
import { jobsSchemaOf } from "./schema-name.ts";

/** Installs graphile-worker's schema for a service, or brings it up to date; each of its steps is a transaction. */
export async function installJobsSchema(service: string, url: string): Promise<void> {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: `${service} migrations`,
    connectionTimeoutMillis: 10_000,
    lock_timeout: LOCK_TIMEOUT_MS,
    max: 1,
  });
  // A statement on a lost connection fails by itself; these keep the process from ending before it.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  const schema = jobsSchemaOf(service);
  try {
    await beginInGivenSchema(pool, schema);
    await runMigrations({
      pgPool: pool,
      schema,
      logger: new Logger(() => () => undefined),
    });
  } finally {
    await pool.end();
  }
}

/**
 * A role that may create no schemas is given one. graphile-worker begins with `create schema if not exists`, which
 * PostgreSQL refuses to such a role even where the schema exists; it does not, where its list of migrations is there.
 */
async function beginInGivenSchema(pool: pg.Pool, schema: string): Promise<void> {
  const { rowCount } = await pool.query("select from pg_namespace where nspname = $1", [schema]);
  if (!rowCount) return;
  await pool.query(`
    create table if not exists ${schema}.migrations (
      id int primary key, ts timestamptz default now() not null, breaking boolean not null default false
    )`);
}
