import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { Migration } from "@mikro-orm/migrations";
import { readDatabaseSettings } from "../../../services/common/database/config.ts";
import { openDatabase } from "../../../services/common/database/database.ts";
import { migrate } from "../../../services/common/database/migrate.ts";
import { jobsMigrations } from "../../../services/common/jobs/migrations.ts";
import { until } from "../database/pools.ts";
import { type JobsGround, startJobsGround } from "./ground.ts";

let ground: JobsGround;

beforeAll(async () => {
  ground = await startJobsGround();
});
afterEach(() => ground.reset());
afterAll(() => ground.stop());

const silent = { info: () => undefined, warn: () => undefined };

/** A service that exists in this test only, with its schemas still missing. */
function newService() {
  const service = `tester_${randomBytes(4).toString("hex")}`;
  class Own extends Migration {
    override async up(): Promise<void> {
      this.addSql(`create table ${service}.things (id int primary key)`);
    }
  }
  return { service, own: { name: "0001-own", class: Own } };
}

async function schemasOf(service: string): Promise<string[]> {
  const sql = "select nspname as name from pg_namespace where nspname like $1 order by 1";
  const rows = await ground.query<{ name: string }>(sql, [`${service}%`]);
  return rows.map(({ name }) => name);
}

describe("migrate, for a service with jobs", () => {
  it("installs their schema once, of many that start at once", async () => {
    const { service, own } = newService();
    const migrations = [own, ...jobsMigrations];
    const applied = await Promise.all(
      Array.from({ length: 8 }, () => migrate({ service, url: ground.url, migrations, log: silent })),
    );
    expect(applied.filter((names) => names.length > 0)).toEqual([["0001-own", "jobs-20"]]);
    expect(await schemasOf(service)).toEqual([service, `${service}_jobs`]);
  });

  it("is named after graphile-worker's last migration, so that a replica waits for a newer one", async () => {
    const [{ last } = { last: 0 }] = await ground.query<{ last: number }>(
      `select max(id) as last from ${ground.service}_jobs.migrations`,
    );
    expect(jobsMigrations.at(-1)?.name).toBe(`jobs-${last}`);
  });

  it("adds to a service that had none, and what comes after is applied too", async () => {
    const { service, own } = newService();
    const { url } = ground;
    class Later extends Migration {
      override async up(): Promise<void> {
        this.addSql(`create table ${service}.later (id int primary key)`);
      }
    }
    const later = { name: "0002-later", class: Later };
    await migrate({ service, url, migrations: [own], log: silent });
    expect(await schemasOf(service)).toEqual([service]);
    const all = [own, ...jobsMigrations, later];
    await expect(migrate({ service, url, migrations: all, log: silent })).resolves.toEqual([
      "jobs-20",
      "0002-later",
    ]);
    // The version before it goes on.
    await expect(migrate({ service, url, migrations: [own], log: silent })).resolves.toEqual([]);
  });

  it("is waited for", async () => {
    const { service, own } = newService();
    const { url } = ground;
    const environment = { DATABASE_URL: url, DB_MIN_CONNECTIONS: "1", DB_MAX_CONNECTIONS: "2" };
    const settings = readDatabaseSettings(service, environment);
    const migrations = [own, ...jobsMigrations];
    await migrate({ service, url, migrations: [own], log: silent });
    const database = await openDatabase({ settings, entities: [], migrations, log: silent });
    await expect(database.unreadiness()).resolves.toBe("migrations are missing: jobs-20");
    await migrate({ service, url, migrations, log: silent });
    await expect(database.unreadiness()).resolves.toBeUndefined();
    await database.close();
  });

  it("is not done by who serves", async () => {
    const service = `tester_${randomBytes(4).toString("hex")}`;
    const replica = await ground.openReplica({ service, tasks: { work: async () => undefined } });
    await expect(replica.jobs.begin()).rejects.toThrow(
      `The schema ${service}_jobs is missing: run the migrations (npm run migrate).`,
    );
    expect(await schemasOf(service)).toEqual([]);
  });

  it("does not disturb the jobs of other services in the database", async () => {
    const runs: number[] = [];
    const replica = await ground.beginReplica({ tasks: { work: async () => void runs.push(1) } });
    const { service } = newService();
    await migrate({ service, url: ground.url, migrations: jobsMigrations, log: silent });
    await replica.add("work");
    await until(() => runs.length === 1);
    expect(replica.lines).toEqual([]);
  });
});
