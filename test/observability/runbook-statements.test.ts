import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";
import { runbook } from "./files.ts";

const statements = [...runbook.matchAll(/```sql\n([^`]+)```/g)].map(([, text]) => text as string);

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await cloneDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

describe("the runbook's SQL", () => {
  it.each(statements)("%s runs on a migrated database", async (text) => {
    await expect(client.query(text.replaceAll("<service>", "accounts"))).resolves.toBeDefined();
  });

  it("has an event that was set aside delivered again", async () => {
    const again = statements.find((text) => text.startsWith("  with again")) as string;
    await client.query(`insert into accounts.outbox_set_aside
      (position, event_id, event, aggregate_id, hearer, payload, failures, last_error)
      values (1, gen_random_uuid(), 'e', 'a', 'h', '{}', 9, 'refused')`);
    await client.query(again.replaceAll("<service>", "accounts"));
    const left = await client.query("select from accounts.outbox_set_aside");
    const { rows } = await client.query("select event, hearer, failures from accounts.outbox");
    expect(left.rowCount).toBe(0);
    expect(rows).toEqual([{ event: "e", hearer: "h", failures: 0 }]);
  });

  it("has a job that was set aside run again", async () => {
    const again = statements.find((text) => text.includes("reschedule_jobs")) as string;
    const added = await client.query("select id from accounts_jobs.add_job('runbook')");
    const id = added.rows[0].id as string;
    await client.query("update accounts_jobs._private_jobs set attempts = max_attempts where id = $1", [id]);
    await client.query(again.replaceAll("<service>", "accounts").replace("array[1]", `array[${id}]`));
    const { rows } = await client.query(
      "select is_available from accounts_jobs._private_jobs where id = $1",
      [id],
    );
    expect(rows).toEqual([{ is_available: true }]);
  });
});
