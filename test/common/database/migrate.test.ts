import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Migration } from "@mikro-orm/migrations";
import { readDatabaseSettings } from "../../../services/common/database/config.ts";
import { openDatabase } from "../../../services/common/database/database.ts";
import { type MigrationList, migrate } from "../../../services/common/database/migrate.ts";
import { untilUnlocked } from "../../../services/common/database/migration-locks.ts";
import { jobsMigrations } from "../../../services/common/jobs/migrations.ts";
import { cloneDatabase, type TestDatabase } from "../../support/database.ts";
import { timed, until } from "./pools.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await cloneDatabase();
});
afterAll(() => database.drop());

const silent = { info: () => undefined, warn: () => undefined };

function settingsOf(service: string, changes: Readonly<Record<string, string>> = {}) {
  const environment = { DATABASE_URL: database.url, DB_MIN_CONNECTIONS: "1", DB_MAX_CONNECTIONS: "2" };
  return readDatabaseSettings(service, { ...environment, ...changes });
}

/** A service that exists in this test only, with its schema still missing. */
function newService() {
  const service = `tester_${randomBytes(4).toString("hex")}`;
  class First extends Migration {
    override async up(): Promise<void> {
      this.addSql(`create table ${service}.things (id int primary key)`);
      // Long enough for the others to come meanwhile.
      this.addSql("select pg_sleep(0.2)");
    }
  }
  class Second extends Migration {
    override async up(): Promise<void> {
      this.addSql(`alter table ${service}.things add name text`);
    }
  }
  class Failing extends Migration {
    override async up(): Promise<void> {
      this.addSql(`create table ${service}.halves (id int)`);
      this.addSql("select 1 / 0");
    }
  }
  const migrations = [
    { name: "0001-first", class: First },
    { name: "0002-second", class: Second },
  ] satisfies MigrationList;
  const failing = [...migrations, { name: "0003-failing", class: Failing }] satisfies MigrationList;
  return { service, migrations, failing };
}

/** How many statements of its migrations wait for a lock. */
async function waitersOf(service: string): Promise<number> {
  const waiting = "select from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'";
  return (await database.query(waiting, [`${service} migrations`])).length;
}

describe("migrate", () => {
  it("lets one of several that start at once apply what is missing, and all succeed", async () => {
    const { service, migrations } = newService();
    const lines: string[] = [];
    const log = { info: (line: string) => lines.push(line) };
    const applied = await Promise.all(
      Array.from({ length: 5 }, () => migrate({ service, url: database.url, migrations, log })),
    );
    expect(applied.filter((names) => names.length > 0)).toEqual([["0001-first", "0002-second"]]);
    expect(lines.sort()).toEqual([
      "Migrations applied: 0001-first, 0002-second",
      ...Array.from({ length: 4 }, () => "Migrations are up to date"),
    ]);
    await database.query(`insert into ${service}.things (id, name) values (1, 'one')`);
    await expect(database.query(`select name from ${service}.migrations order by id`)).resolves.toEqual([
      { name: "0001-first" },
      { name: "0002-second" },
    ]);
  });

  it("applies only what is missing, and all of it or nothing", async () => {
    const { service, migrations, failing } = newService();
    const { url } = database;
    const [first] = migrations;
    await migrate({ service, url, migrations: first ? [first] : [], log: silent });
    await expect(migrate({ service, url, migrations: failing, log: silent })).rejects.toThrow(
      "division by zero",
    );
    await expect(database.query(`select name from ${service}.migrations`)).resolves.toEqual([
      { name: "0001-first" },
    ]);
    await expect(database.query(`select to_regclass('${service}.halves') as it`)).resolves.toEqual([
      { it: null },
    ]);
    await expect(migrate({ service, url, migrations, log: silent })).resolves.toEqual(["0002-second"]);
  });

  it("lets those through who come after it, while others hold locks that it needs, and is done in the end", async () => {
    const { service, migrations } = newService();
    const { url } = database;
    await migrate({ service, url, migrations: migrations.slice(0, 1), log: silent });
    const release = await database.lock(`${service}.things`, "access share");
    const lines: string[] = [];
    const log = { info: (line: string) => lines.push(line) };
    const migrating = migrate({ service, url, migrations, log });
    await until(async () => (await waitersOf(service)) > 0);
    const reading = timed(database.query(`select id from ${service}.things`));
    // Behind the migration, which waits for two seconds at most; the rest is for a busy machine.
    expect((await reading).milliseconds).toBeLessThan(4_000);
    await release();
    await expect(migrating).resolves.toEqual(["0002-second"]);
    expect(lines[0]).toMatch("Others hold locks that the migrations need; attempt 1 of 8");
  });

  it("waits no longer for what a step has to prepare", async () => {
    const { service } = newService();
    const { url } = database;
    await migrate({ service, url, migrations: jobsMigrations, log: silent });
    const release = await database.lock(`${service}_jobs.migrations`);
    const lines: string[] = [];
    const log = { info: (line: string) => lines.push(line) };
    const migrating = migrate({ service, url, migrations: jobsMigrations, log });
    await until(() => lines.length > 0);
    await release();
    await expect(migrating).resolves.toEqual([]);
  });

  it("gives up in the end, and says what to do", async () => {
    const { service, migrations } = newService();
    await migrate({ service, url: database.url, migrations, log: silent });
    const release = await database.lock(`${service}.things`);
    const transaction = () =>
      database.query(`set lock_timeout = 50; alter table ${service}.things add late text`);
    await expect(untilUnlocked(service, silent, transaction, 2)).rejects.toThrow(
      /^others held locks on tables of .* at each of 2 attempts\. Nothing was changed\. End what holds them/,
    );
    await release();
  });

  it("waits longer for others that migrate, who keep nobody waiting", async () => {
    const { service, migrations } = newService();
    const holding = database.query(
      `select pg_advisory_lock(hashtextextended('${service}:migrations', 0)), pg_sleep(3)`,
    );
    await expect(migrate({ service, url: database.url, migrations, log: silent })).resolves.toHaveLength(2);
    await holding;
  });

  it("leaves an older version alone, which stays ready and finds nothing to do", async () => {
    const { service, migrations } = newService();
    const { url } = database;
    const [first] = migrations;
    const older = first ? [first] : [];
    await migrate({ service, url, migrations, log: silent });
    await expect(migrate({ service, url, migrations: older, log: silent })).resolves.toEqual([]);
    const opened = await openDatabase({
      settings: settingsOf(service),
      entities: [],
      migrations: older,
      log: silent,
    });
    await expect(opened.unreadiness()).resolves.toBeUndefined();
    await opened.close();
  });

  it("leaves no connection behind", async () => {
    const { service, migrations } = newService();
    await migrate({ service, url: database.url, migrations, log: silent });
    const connections = "select pid from pg_stat_activity where application_name = $1";
    // The server may take a moment to say so.
    await until(async () => (await database.query(connections, [`${service} migrations`])).length === 0);
  });
});

describe("a service's database", () => {
  it("says which migrations are missing, and is ready when they are applied", async () => {
    const { service, migrations } = newService();
    const { url } = database;
    const settings = settingsOf(service);
    const opened = await openDatabase({ settings, entities: [], migrations, log: silent });
    await expect(opened.unreadiness()).resolves.toBe("migrations are missing: all");
    const [first] = migrations;
    await migrate({ service, url, migrations: first ? [first] : [], log: silent });
    await expect(opened.unreadiness()).resolves.toBe("migrations are missing: 0002-second");
    await migrate({ service, url, migrations, log: silent });
    await expect(opened.unreadiness()).resolves.toBeUndefined();
    await opened.close();
  });

  it("applies them before it is ready when it is told to, with any number of replicas", async () => {
    const { service, migrations } = newService();
    const settings = settingsOf(service, { MIGRATE_ON_START: "true" });
    const replicas = await Promise.all(
      Array.from({ length: 3 }, () => openDatabase({ settings, entities: [], migrations, log: silent })),
    );
    for (const replica of replicas) {
      await expect(replica.unreadiness()).resolves.toBeUndefined();
      await replica.close();
    }
  });

  it("logs the pool's limits and that it is established, and leaves nothing when it is closed", async () => {
    const { service, migrations } = newService();
    const lines: string[] = [];
    const log = { info: (line: string) => lines.push(line), warn: () => undefined };
    const opened = await openDatabase({ settings: settingsOf(service), entities: [], migrations, log });
    expect(lines).toEqual([
      "Initializing database connection pool with max_connections=2, min_connections=1",
      "Database connection pool established",
    ]);
    const count = "select count(*)::int from pg_stat_activity where application_name = $1";
    await expect(database.query(count, [service])).resolves.toEqual([{ count: 1 }]);
    await expect(opened.pool.query({ text: "show timezone" })).resolves.toEqual([{ TimeZone: "UTC" }]);
    await expect(opened.pool.query({ text: "show statement_timeout" })).resolves.toEqual([
      { statement_timeout: "15s" },
    ]);
    await opened.close();
    await expect(database.query(count, [service])).resolves.toEqual([{ count: 0 }]);
  });

  it("says within two seconds that the database gives no answer", async () => {
    const { service, migrations } = newService();
    const opened = await openDatabase({
      settings: settingsOf(service),
      entities: [],
      migrations,
      log: silent,
    });
    const borrowed = [await opened.pool.connect(), await opened.pool.connect()];
    await expect(opened.unreadiness()).resolves.toBe("database: no answer within 2000 ms");
    for (const client of borrowed) client.release();
    await expect(opened.unreadiness()).resolves.toBe("migrations are missing: all");
    await opened.close();
  });

  it("says that the database cannot be reached", async () => {
    const { service, migrations } = newService();
    const opened = await openDatabase({
      settings: settingsOf(service),
      entities: [],
      migrations,
      log: silent,
    });
    await opened.close();
    await expect(opened.unreadiness()).resolves.toBe("database: The database cannot be reached.");
  });
});
