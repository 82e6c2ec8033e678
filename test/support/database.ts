import { randomBytes } from "node:crypto";
import pg from "pg";
import { databaseUrl, TEMPLATE } from "./templates.ts";

/** The server of this test run, as its superuser. */
export const adminUrl = process.env.TEST_DATABASE_URL as string;

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  /** Runs SQL beside the services, as the superuser. */
  query<Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Locks a table, against everyone else unless said otherwise, until the function that it answers is called. */
  lock(table: string, mode?: "access exclusive" | "access share"): Promise<() => Promise<void>>;
  drop(): Promise<void>;
}

/** A migrated database of this test file's own. */
export async function cloneDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString("hex")}`;
  const admin = new pg.Pool({ connectionString: adminUrl, max: 1 });
  // Copies of one template are made one after the other; two at once would find it in use.
  await admin.query("select pg_advisory_lock(1)");
  await admin.query(`create database ${name} template ${TEMPLATE}`);
  await admin.query("select pg_advisory_unlock(1)");
  const url = databaseUrl(adminUrl, name);
  const pool = new pg.Pool({ connectionString: url, max: 3, application_name: "test" });
  // Tests terminate backends on purpose, these among them.
  for (const each of [admin, pool]) each.on("error", () => undefined);
  return {
    url,
    name,
    async query(sql, values = []) {
      const { rows } = await pool.query(sql, [...values]);
      return rows;
    },
    async lock(table, mode = "access exclusive") {
      const client = await pool.connect();
      await client.query("begin");
      await client.query(`lock table ${table} in ${mode} mode`);
      return async () => {
        await client.query("commit");
        client.release();
      };
    },
    async drop() {
      await pool.end();
      await admin.query(`drop database if exists ${name} with (force)`);
      await admin.end();
    },
  };
}
