import { Logger, runMigrations } from "graphile-worker";
import pg from "pg";
import { jobsSchemaOf } from "./schema-name.ts";

/** Installs graphile-worker's schema for a service, or brings it up to date; each of its steps is a transaction. */
export async function installJobsSchema(service: string, url: string): Promise<void> {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: `${service} migrations`,
    connectionTimeoutMillis: 10_000,
    max: 1,
  });
  // A statement on a lost connection fails by itself; these keep the process from ending before it.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  try {
    await runMigrations({
      pgPool: pool,
      schema: jobsSchemaOf(service),
      logger: new Logger(() => () => undefined),
    });
  } finally {
    await pool.end();
  }
}
