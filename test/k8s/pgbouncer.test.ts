import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readDatabaseSettings } from "../../services/common/database/config.ts";
import { STATEMENT_TIMEOUT_MS } from "../../services/common/database/connection.ts";
import { type Database, openDatabase } from "../../services/common/database/database.ts";
import { inTransaction } from "../../services/common/database/transaction.ts";
import { openJobs } from "../../services/common/jobs.ts";
import { adminUrl } from "../support/database.ts";
import { createRoleDatabase, type RoleDatabase } from "./pgbouncer/roles.ts";
import { type PgBouncer, startPgBouncer } from "./pgbouncer/server.ts";
import type { Document } from "./support/documents.ts";
import { type Live, liveOnce, startLive, succeed, until } from "./support/live.ts";
import { render } from "./support/render.ts";

/** Far fewer than the services' pools have. */
const SERVER_CONNECTIONS = 3;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

let documents: Document[];
let database: RoleDatabase;
let pgbouncer: PgBouncer;
let live: Live;

beforeAll(async () => {
  documents = await render("medium, pooled");
  database = await createRoleDatabase(documents);
  const settings = { default_pool_size: SERVER_CONNECTIONS, reserve_pool_size: 0 };
  pgbouncer = await startPgBouncer(documents, { serverUrl: adminUrl, users: database.users, settings });
  const nats = {
    NATS_URL: process.env.TEST_NATS_URL as string,
    NATS_NAMESPACE: `test-${randomBytes(6).toString("hex")}`,
  };
  live = await startLive(documents, (service) => ({
    ...nats,
    ...(service !== "gateway" && { DATABASE_URL: pgbouncer.through(database.url(service)) }),
  }));
}, 180_000);
afterAll(async () => {
  await live?.stop();
  await pgbouncer?.stop();
  await database?.drop();
});

/** A service's database as its processes open it, in this process. */
function open(service: string, url: string, environment = {}): Promise<Database> {
  const settings = readDatabaseSettings(service, {
    DATABASE_URL: url,
    DB_MAX_CONNECTIONS: "20",
    DB_MIN_CONNECTIONS: "2",
    ...environment,
  });
  return openDatabase({ settings, entities: [], migrations: [], log: silent });
}

describe("the services behind a PgBouncer in transaction mode", () => {
  it("do all that they do: named statements, transactions, events between them", async () => {
    await liveOnce(live);
  });

  it("share few connections to PostgreSQL among many of their own", async () => {
    const names = Array.from({ length: 60 }, (_, index) => `Portfolio ${index}`);
    await Promise.all(names.map((name) => succeed(live, "POST", "/v1/portfolios", { name })));
    const lists = await Promise.all(
      Array.from({ length: 60 }, () => succeed(live, "GET", "/v1/portfolios?limit=500")),
    );
    for (const list of lists) expect((list as unknown[]).length).toBeGreaterThanOrEqual(names.length);
    const rows = await database.query<{ count: number }>(
      "select count(*)::int from pg_stat_activity where datname = $1 and usename like 'portfolios%'",
      [database.name],
    );
    expect(rows[0]?.count).toBeGreaterThan(0);
    expect(rows[0]?.count).toBeLessThanOrEqual(SERVER_CONNECTIONS);
  });

  it("run their statements under the limits, the time zone and the name that they ask for", async () => {
    const users = await open("users", pgbouncer.through(database.url("users")));
    try {
      const [row] = await users.pool.query<Record<string, string>>({
        text: `select current_setting('statement_timeout') as statement,
          current_setting('idle_in_transaction_session_timeout') as idle,
          current_setting('timezone') as zone, current_setting('application_name') as name`,
      });
      const limit = `${STATEMENT_TIMEOUT_MS / 1000}s`;
      expect(row).toEqual({ statement: limit, idle: limit, zone: "UTC", name: "users" });
    } finally {
      await users.close();
    }
  });

  it("do their jobs, although no notification reaches them", async () => {
    const accounts = await open("accounts", pgbouncer.through(database.url("accounts")));
    const done: unknown[] = [];
    const jobs = openJobs({
      service: "accounts",
      pool: accounts.pool,
      log: silent,
      tasks: { probe: async (payload) => void done.push(payload) },
    });
    try {
      await jobs.begin();
      await inTransaction(accounts.pool, (query) => jobs.add(query, "probe", { is: "done" }));
      await until(async () => done.length === 1);
      expect(done).toEqual([{ is: "done" }]);
    } finally {
      await jobs.end();
      await accounts.close();
    }
  });

  it("reach no other service's schema", async () => {
    const users = await open("users", pgbouncer.through(database.url("users")));
    try {
      await expect(users.pool.query({ text: "select 1 from auth.migrations" })).rejects.toThrow(
        /permission denied for schema auth/,
      );
    } finally {
      await users.close();
    }
  });
});

describe("a PgBouncer that is told to stop", () => {
  it("waits until its clients have gone to another one, and no statement is lost", async () => {
    const options = { serverUrl: adminUrl, users: database.users };
    const [leaving, staying] = await Promise.all([
      startPgBouncer(documents, options),
      startPgBouncer(documents, options),
    ]);
    const service = await startForwarder(leaving.port);
    const url = new URL(leaving.through(database.url("users")));
    url.port = String(service.port);
    const users = await open("users", url.href, { DB_MAX_LIFETIME_SECS: "2" });
    try {
      const exited = once(leaving.process, "exit");
      service.forwardTo(staying.port);
      leaving.process.kill("SIGTERM");
      let isOver = false;
      let answered = 0;
      async function use(): Promise<void> {
        while (!isOver) {
          await users.pool.query({ name: "one", text: "select $1::int as one", values: [1] });
          answered += 1;
        }
      }
      const using = [use(), use()];
      const [code] = await Promise.race([exited, Promise.all(using).then(() => ["nobody waits"])]);
      isOver = true;
      await Promise.all(using);
      expect(code).toBe(0);
      expect(answered).toBeGreaterThan(0);
    } finally {
      await users.close();
      await service.stop();
      await Promise.all([leaving.stop(), staying.stop()]);
    }
  });
});

/** What a Service is: one address, and new connections go to whoever is ready. */
async function startForwarder(first: number) {
  let target = first;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    }
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    forwardTo(port: number) {
      target = port;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
