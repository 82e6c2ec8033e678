import pg from "pg";
import type { PooledClient } from "./connection.ts";
import { databaseProblem } from "./errors.ts";
import type { ConnectionPool } from "./pool.ts";

/** Runs one statement of a transaction. */
export type Query = <Row extends pg.QueryResultRow>(statement: pg.QueryConfig) => Promise<Row[]>;

/**
 * Runs statements in one transaction, on one borrowed connection; it is rolled back when `work` throws. For what must
 * not appear in an error's text: MikroORM writes values into its statements, and its errors quote those.
 */
export async function inTransaction<Result>(
  pool: ConnectionPool,
  work: (query: Query, client: PooledClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    const result = await work(async (statement) => (await client.query(statement)).rows, client);
    await client.query("commit");
    client.release();
    return result;
  } catch (error) {
    // On a connection that is gone, a rollback would only wait for nothing.
    const isLost = databaseProblem(error) === "DATABASE_UNAVAILABLE" && !(error instanceof pg.DatabaseError);
    const fault = isLost ? (error as Error) : await client.query("rollback").then(() => undefined, asError);
    client.release(fault);
    throw error;
  }
}

function asError(error: unknown): Error {
  return error as Error;
}
