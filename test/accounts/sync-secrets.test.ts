import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { ConnectorError } from "../../services/accounts/connectors/connector.ts";
import { type Syncing, startSyncing } from "./sync-services.ts";

const CANARIES = { api_key: "CANARY-KEY", api_secret: "CANARY-SECRET", passphrase: "CANARY-PHRASE" };

let syncing: Syncing;
beforeAll(async () => {
  syncing = await startSyncing();
});
afterAll(() => syncing.stop());

/** All tables of the service and of its jobs, as text. */
async function everyRow(): Promise<string> {
  const tables = await syncing.database.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname in ('accounts', 'accounts_jobs')`,
  );
  expect(tables.length).toBeGreaterThan(8);
  const rows: unknown[] = [];
  for (const { name } of tables) {
    rows.push(...(await syncing.database.query(`select row.*::text as text from ${name} row`)));
  }
  return JSON.stringify(rows);
}

describe("credentials", () => {
  it.each([
    ["a success", async () => []],
    ["a refusal", () => Promise.reject(new ConnectorError("refused_credentials", "OKX refused the key."))],
    ["a failure that goes on", () => Promise.reject(new ConnectorError("unavailable", "Not now."))],
    [
      "an error that quotes them",
      () => Promise.reject(new Error(`HMAC of ${CANARIES.api_secret} with ${CANARIES.passphrase} failed`)),
    ],
  ])("reach the connector and nothing else, with %s", async (_, read) => {
    const user = syncing.as(randomUUID());
    const { id } = await user.exchange(CANARIES);
    syncing.provider.requests.length = 0;
    syncing.provider.read = read;
    const reply = await user.sync(id);
    expect(syncing.provider.requests[0]?.credentials).toEqual(CANARIES);
    const replies = [reply, await user.job(reply.job_id), await user.get(id)];
    expect(JSON.stringify(replies)).not.toMatch(/CANARY/);
    expect(await everyRow()).not.toMatch(new RegExp(`CANARY|${Buffer.from("CANARY").toString("hex")}`));
    expect(syncing.logged.join("\n")).not.toMatch(/CANARY/);
    expect(JSON.stringify(syncing.heard)).not.toMatch(/CANARY/);
  });

  it("that cannot be opened any more are asked for again", async () => {
    const user = syncing.as(randomUUID());
    const { id } = await user.exchange(CANARIES);
    await syncing.database.query("update accounts.credentials set key_id = 'lost' where account_id = $1", [
      id,
    ]);
    expect(await user.sync(id)).toMatchObject({
      state: "failed",
      error: expect.stringMatching(/enter it again/),
    });
  });
});
