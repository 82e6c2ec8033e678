import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { type PostgresServer, startPostgres } from "../../scripts/development/postgres.ts";
import { migrate } from "../../services/common/database/migrate.ts";
import { migrationsOf } from "../../services/migrations.ts";
import { ROOT } from "../k8s/support/code.ts";
import { makeSecrets, type Secrets } from "./secrets.ts";

const run = promisify(execFile);
const services = Object.keys(migrationsOf);

describe("deploy/compose/roles.sql", () => {
  let folder: string;
  let secrets: Secrets;
  let postgres: PostgresServer;
  let admin: pg.Client;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "butler-roles-"));
    await run("chmod", ["711", folder]);
    secrets = await makeSecrets();
    postgres = await startPostgres({ folder: join(folder, "postgres"), durable: false });
    const server = new pg.Client({ connectionString: postgres.url });
    await server.connect();
    await server.query("create database butler");
    await server.end();
    admin = new pg.Client({ connectionString: postgres.url.replace(/\/postgres$/, "/butler") });
    await admin.connect();
    await applyRoles();
  }, 60_000);

  afterAll(async () => {
    await admin.end();
    await postgres.stop();
    await secrets.remove();
    await rm(folder, { recursive: true, force: true });
  });

  /** The script as it is, with the passwords where the server of this test can read them, under whatever user it runs. */
  async function applyRoles(): Promise<void> {
    const passwords = join(secrets.folder, "postgres");
    await run("chmod", ["755", secrets.folder, passwords]);
    await run("chmod", ["444", ...services.map((name) => join(passwords, name))]);
    const script = await readFile(join(ROOT, "deploy/compose/roles.sql"), "utf8");
    expect(script).toContain("'/run/secrets/'");
    await admin.query(script.replace("/run/secrets/", `${passwords}/`));
  }

  /** What compose gives the service, but for the server's address. */
  async function addressOf(service: string): Promise<string> {
    const url = new URL((await readFile(join(secrets.folder, service, "database-url"), "utf8")).trim());
    expect(`${url.host}${url.pathname}`).toBe("postgres:5432/butler");
    url.host = `127.0.0.1:${postgres.port}`;
    return url.href;
  }

  async function asService(service: string, sql: string): Promise<unknown> {
    const client = new pg.Client({ connectionString: await addressOf(service) });
    await client.connect();
    return await client.query(sql).finally(() => client.end());
  }

  it("lets each service migrate with its own password", async () => {
    for (const service of services) {
      const migrations = migrationsOf[service] ?? [];
      await migrate({ service, url: await addressOf(service), migrations, log: { info: () => undefined } });
    }
    const { rows } = await admin.query("select nspname, nspowner::regrole::text as owner from pg_namespace");
    for (const service of services) {
      expect(rows).toContainEqual({ nspname: service, owner: service });
      expect(rows).toContainEqual({ nspname: `${service}_jobs`, owner: service });
    }
  });

  it("keeps each service out of all others' schemas", async () => {
    await expect(asService("portfolios", "select * from portfolios.portfolios")).resolves.toBeDefined();
    await expect(asService("accounts", "select * from portfolios.portfolios")).rejects.toThrow(
      "permission denied",
    );
    await expect(asService("accounts", "create schema mine")).rejects.toThrow("permission denied");
    await expect(asService("accounts", "create table public.mine ()")).rejects.toThrow("permission denied");
  });

  it("can run at every start, and takes over new passwords", async () => {
    await run("rm", ["-f", join(secrets.folder, "postgres", "users")]);
    const old = await addressOf("users");
    await secrets.make();
    await applyRoles();
    expect(await addressOf("users")).not.toBe(old);
    await expect(asService("users", "select 1")).resolves.toBeDefined();
  });
});
