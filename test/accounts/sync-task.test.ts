import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readAccountsConfig } from "../../services/accounts/config.ts";
import type { ReadHolding } from "../../services/accounts/connectors/connector.ts";
import { migrations } from "../../services/accounts/migrations/index.ts";
import { credentialSeal } from "../../services/accounts/seal.ts";
import { EMPTY_REGISTRY } from "../../services/accounts/sync/registry.ts";
import { requestSync } from "../../services/accounts/sync/request.ts";
import { type SyncTools, syncTask } from "../../services/accounts/sync/task.ts";
import { readDatabaseSettings } from "../../services/common/database/config.ts";
import { type Database, openDatabase } from "../../services/common/database/database.ts";
import { writingTo } from "../../services/common/database/writing.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";
import { EVM, newKey } from "./services.ts";

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

let testDatabase: TestDatabase;
let database: Database;
beforeAll(async () => {
  testDatabase = await cloneDatabase();
  const settings = readDatabaseSettings("accounts", {
    DATABASE_URL: testDatabase.url,
    DB_MIN_CONNECTIONS: "1",
  });
  database = await openDatabase({ settings, entities: [], migrations, log: silent });
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

/** A sync of a wallet that was asked for, its task, and the jobs that were added meanwhile. */
async function asked(read: (signal: AbortSignal) => Promise<readonly ReadHolding[]>) {
  const [id, userId] = [randomUUID(), randomUUID()];
  const added: object[] = [];
  const tools: SyncTools = {
    pool: database.pool,
    seal: credentialSeal(readAccountsConfig({ CREDENTIALS_KEYS: newKey("k1") }).credentialsKeys),
    connectorFor: () => ({ read: ({ signal }) => read(signal) }),
    registry: async () => EMPTY_REGISTRY,
    jobs: { add: async (_, __, payload) => void added.push(payload) },
    events: { store: async () => undefined },
    log: silent,
    intervalSeconds: 900,
    timeoutSeconds: 60,
  };
  await testDatabase.query(
    `insert into accounts.accounts (id, user_id, name, account_type, wallet_address)
     values ($1, $2, 'Wallet', 'wallet', $3)`,
    [id, userId, EVM],
  );
  const syncId = await requestSync({ ...tools, db: writingTo(tools.pool) }, { id, userId });
  added.length = 0;
  const task = syncTask(tools);
  return {
    id,
    syncId,
    added,
    run: (signal: AbortSignal) => task({ sync_id: syncId }, { signal, attempt: 1, jobId: "1" }),
  };
}

async function stateOf(id: string) {
  const [row] = await testDatabase.query(
    `select s.state, s.attempts, a.sync_token, a.sync_lease_until, a.last_sync_error, a.version
     from accounts.syncs s join accounts.accounts a on a.id = s.account_id where a.id = $1`,
    [id],
  );
  return row;
}

const never = () => new Promise<never>(() => undefined);

describe("the task of a sync", () => {
  it("gives the account back when its process ends, as if it had not begun", async () => {
    const controller = new AbortController();
    const { id, run } = await asked(() => {
      controller.abort();
      return never();
    });
    await expect(run(controller.signal)).rejects.toMatchObject({ loss: "ended" });
    expect(await stateOf(id)).toEqual({
      state: "queued",
      attempts: 0,
      sync_token: null,
      sync_lease_until: null,
      last_sync_error: null,
      version: 1,
    });
    const next = await asked(async () => []);
    await next.run(new AbortController().signal);
    expect(await stateOf(next.id)).toMatchObject({ state: "succeeded", attempts: 1 });
  });

  it("comes back when the lease of whoever has the account is over", async () => {
    const { id, syncId, added, run } = await asked(never);
    const ended = run(AbortSignal.timeout(200)).catch(() => undefined);
    while ((await stateOf(id))?.state !== "running");
    const before = await stateOf(id);
    await run(new AbortController().signal);
    expect(added).toEqual([{ sync_id: syncId }]);
    expect(await stateOf(id)).toEqual(before);
    await ended;
  });

  it("does nothing for a sync that has ended, or that is gone", async () => {
    const { id, added, run } = await asked(async () => []);
    await run(new AbortController().signal);
    const ended = await stateOf(id);
    await run(new AbortController().signal);
    expect(await stateOf(id)).toEqual(ended);
    await testDatabase.query("delete from accounts.accounts where id = $1", [id]);
    await run(new AbortController().signal);
    expect(added).toEqual([]);
  });
});
