// The database that `npm start` has embedded, and no other.
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import pg from "pg";
import type { Query } from "../../services/common/database/transaction.ts";
import { commandLine } from "../development/processes.ts";
import type { Run } from "../development/run-file.ts";

const database = "butler";
const connectTimeoutMs = 10_000;

export type DevelopmentDatabase = { query: Query; close(): Promise<void> };

/** Opens the database of the PostgreSQL that this run has started itself; undefined when it uses another one. */
export async function openDevelopmentDatabase({
  processes,
}: Pick<Run, "processes">): Promise<DevelopmentDatabase | undefined> {
  const server = await embeddedServer(processes);
  if (!server) return undefined;
  const client = new pg.Client({
    host: "127.0.0.1",
    port: server.port,
    user: "postgres",
    password: (await readFile(server.passwordFile, "utf8")).trim(),
    database,
    application_name: "demo",
    options: "-c TimeZone=UTC",
    connectionTimeoutMillis: connectTimeoutMs,
  });
  await client.connect();
  return {
    query: async (statement) => (await client.query(statement)).rows,
    close: () => client.end(),
  };
}

/** Where data, port and with them the password are, its command line tells. */
async function embeddedServer(pids: readonly number[]) {
  for (const line of await Promise.all(pids.map(commandLine))) {
    const [, data] = /\/postgres -D (.+?) -c /.exec(line) ?? [];
    const [, port] = / -c port=(\d+)/.exec(line) ?? [];
    if (data && port) return { port: Number(port), passwordFile: join(dirname(data), "password") };
  }
  return undefined;
}
