import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { provisionDatabases } from "../../scripts/development/databases.ts";

const adminUrl = process.env.TEST_DATABASE_URL as string;
const database = `provision_${randomBytes(4).toString("hex")}`;
const services = ["users", "portfolios"];
let addresses: Record<string, string>;

beforeAll(async () => {
  addresses = await provisionDatabases({ adminUrl, database, services });
});

afterAll(async () => {
  await query(adminUrl, `drop database ${database} with (force)`);
  for (const service of services) await query(adminUrl, `drop role ${database}_${service}`);
});

async function query(url: string | undefined, sql: string): Promise<pg.QueryResultRow[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe("provisionDatabases", () => {
  it("gives each service a schema of its own, found without naming it", async () => {
    await query(addresses.portfolios, "create table portfolios as select 42 as answer");
    expect(await query(addresses.portfolios, "select answer from portfolios.portfolios")).toEqual([
      { answer: 42 },
    ]);
    await query(addresses.users, "create table users as select 1 as id");
    expect(await query(addresses.users, "select current_schema()")).toEqual([{ current_schema: "users" }]);
  });

  it("lets no service into another one's schema", async () => {
    await query(addresses.portfolios, "create table secrets as select 1 as one");
    const denied = /permission denied for schema portfolios/;
    await expect(query(addresses.users, "select * from portfolios.secrets")).rejects.toThrow(denied);
    await expect(query(addresses.users, "create table portfolios.mine ()")).rejects.toThrow(denied);
    await expect(query(addresses.users, "drop table portfolios.secrets")).rejects.toThrow(denied);
  });

  it("gives a service no rights elsewhere", async () => {
    await expect(query(addresses.users, "create table public.mine ()")).rejects.toThrow(/permission denied/);
    await expect(query(addresses.users, "create schema mine")).rejects.toThrow(/permission denied/);
    await expect(query(addresses.users, "create role mine")).rejects.toThrow(/permission denied/);
    for (const other of ["postgres", "template1"]) {
      const address = new URL(addresses.users as string);
      address.pathname = `/${other}`;
      await expect(query(address.href, "select 1")).rejects.toThrow(/permission denied for database/);
    }
  });

  it("gives new passwords to roles that exist, keeps their tables, and bears being called twice at once", async () => {
    await query(addresses.users, "create table kept as select 42 as answer");
    const [first, last] = await Promise.all([
      provisionDatabases({ adminUrl, database, services }),
      provisionDatabases({ adminUrl, database, services }),
    ]);
    await expect(query(addresses.users, "select 1")).rejects.toThrow("password authentication failed");
    const answers = await Promise.allSettled(
      [first, last].map(({ users }) => query(users, "select answer from kept")),
    );
    // The later one's passwords hold, whichever that was.
    expect(answers.filter(({ status }) => status === "fulfilled")).toEqual([
      { status: "fulfilled", value: [{ answer: 42 }] },
    ]);
  });
});
