import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { type PostgresServer, startPostgres } from "../../scripts/development/postgres.ts";
import { freePort } from "../../scripts/development/processes.ts";
import { databaseUrl } from "./templates.ts";

/** A PostgreSQL server of a test's own, which keeps what it has confirmed and may be treated badly. */
export interface OwnPostgres {
  /** Of an empty database, as its owner, who is no superuser. */
  readonly url: string;
  /** Of the superuser, with password: not for logs. */
  readonly adminUrl: string;
  readonly port: number;
  /** Runs SQL in that database as the superuser, on a connection of its own. */
  query<Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Ends it, at once (`SIGQUIT`: it recovers at its next start, as after a crash) or in order (`SIGINT`). */
  end(signal: "SIGINT" | "SIGQUIT"): Promise<void>;
  /** Starts it again, on the same data and port. */
  start(): Promise<void>;
  /** Stops all of its processes: they hold their connections and say nothing. */
  freeze(): Promise<void>;
  thaw(): void;
  stop(): Promise<void>;
}

const NAME = "butler";

/** @param settings further ones, as in postgresql.conf. */
export async function startOwnPostgres(settings: Record<string, string> = {}): Promise<OwnPostgres> {
  const folder = await mkdtemp(join(tmpdir(), "butler-postgres-"));
  // PostgreSQL may run as another user than this process, and must get in.
  await chmod(folder, 0o711);
  const options = { folder: join(folder, "postgres"), port: await freePort(), durable: true, settings };
  let server: PostgresServer = await startPostgres(options);
  const { url: adminUrl } = server;
  const frozen: number[] = [];

  async function queryIn<Row extends pg.QueryResultRow>(
    url: string,
    sql: string,
    values: readonly unknown[] = [],
  ) {
    const client = new pg.Client({ connectionString: url, application_name: "test" });
    await client.connect();
    try {
      return (await client.query<Row>(sql, [...values])).rows;
    } finally {
      await client.end();
    }
  }

  function thaw(): void {
    for (const pid of frozen.splice(0)) process.kill(pid, "SIGCONT");
  }

  await queryIn(adminUrl, `create role ${NAME} login password '${NAME}'`);
  await queryIn(adminUrl, `create database ${NAME} owner ${NAME}`);
  return {
    url: `postgresql://${NAME}:${NAME}@127.0.0.1:${options.port}/${NAME}`,
    adminUrl,
    port: options.port,
    query: (sql, values) => queryIn(databaseUrl(adminUrl, NAME), sql, values),
    async end(signal) {
      process.kill(server.pid, signal);
      await server.exited;
    },
    async start() {
      server = await startPostgres(options);
    },
    async freeze() {
      frozen.push(server.pid, ...(await childrenOf(server.pid)));
      for (const pid of frozen) process.kill(pid, "SIGSTOP");
    },
    thaw,
    async stop() {
      thaw();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = await Promise.all(pids.map(parentOf));
  return pids.filter((_, index) => parents[index] === parent);
}

/** Undefined when it has ended meanwhile. */
async function parentOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The name of the program, in parentheses, may hold anything.
  const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return parent === undefined ? undefined : Number(parent);
}
