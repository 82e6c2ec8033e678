import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { ConnectorError } from "../../services/accounts/connectors/connector.ts";
import { readHolding, type Syncing, startSyncing } from "./sync-services.ts";

let syncing: Syncing;
beforeAll(async () => {
  syncing = await startSyncing({ replicas: 2, environment: { SCHEDULED_SYNC_ENABLED: "true" } });
});
afterAll(() => syncing.stop());
beforeEach(() => {
  syncing.provider.read = async () => [readHolding("A", "1")];
  syncing.provider.requests.length = 0;
});

const CREDENTIALS = { api_key: "key", api_secret: "secret" };

/** Does what comes each minute, on several replicas at once, and all that it asks for. */
async function tend(): Promise<void> {
  await syncing.add("tend_syncs");
  await syncing.add("tend_syncs");
  for (;;) {
    await syncing.hurry();
    const left = await syncing.database.query(
      `select from accounts_jobs.jobs where task_identifier in ('tend_syncs', 'sync')`,
    );
    if (left.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const makeDue = () =>
  syncing.database.query("update accounts.accounts set sync_due_at = now() - interval '1 s'");

/** In how many seconds the account is due. */
async function dueIn(id: string): Promise<number> {
  const [row] = await syncing.database.query<{ seconds: number }>(
    "select extract(epoch from sync_due_at - now())::float8 as seconds from accounts.accounts where id = $1",
    [id],
  );
  return row?.seconds ?? Number.NaN;
}

describe("what is due", () => {
  it("is synced once for all replicas: active accounts with a provider, also new ones", async () => {
    const user = syncing.as(randomUUID());
    const [wallet, exchange] = [await user.wallet(), await user.exchange(CREDENTIALS)];
    const [manual, idle] = [await user.manual(), await user.exchange({ ...CREDENTIALS, api_key: "other" })];
    await user.update(idle.id, { is_active: false });
    await tend();
    expect(syncing.provider.requests).toHaveLength(2);
    for (const { id } of [wallet, exchange]) {
      expect(await user.get(id)).toMatchObject({ stale: false, holdings: [{ asset: "A" }] });
      expect(await dueIn(id)).toBeGreaterThan(700);
      expect(await dueIn(id)).toBeLessThan(1_100);
    }
    for (const { id } of [manual, idle]) expect(await user.get(id)).not.toHaveProperty("last_synced_at");
    await tend();
    expect(syncing.provider.requests).toHaveLength(2);
    await makeDue();
    await tend();
    expect(syncing.provider.requests).toHaveLength(4);
  });

  it("comes later with each failure in a row, and as before after a success", async () => {
    const user = syncing.as(randomUUID());
    const { id } = await user.exchange(CREDENTIALS);
    syncing.provider.read = async () => {
      throw new ConnectorError("refused_credentials", "No.");
    };
    for (const seconds of [1_800, 3_600, 7_200]) {
      await makeDue();
      await tend();
      expect(Math.abs((await dueIn(id)) / seconds - 1)).toBeLessThan(0.25);
    }
    syncing.provider.read = async () => [];
    await makeDue();
    await tend();
    expect(await dueIn(id)).toBeLessThan(1_100);
  });

  it("is found at once when the user enters another key", async () => {
    const user = syncing.as(randomUUID());
    const { id } = await user.exchange(CREDENTIALS);
    await tend();
    expect(await dueIn(id)).toBeGreaterThan(0);
    await user.update(id, { name: "Renamed" });
    expect(await dueIn(id)).toBeGreaterThan(0);
    await user.update(id, { api_secret: "another" });
    expect(await dueIn(id)).toBeLessThanOrEqual(0);
  });
});

describe("a sync whose job was lost", () => {
  it("gets another one", async () => {
    const userId = randomUUID();
    const { id } = await syncing.as(userId).wallet();
    const syncId = randomUUID();
    await syncing.database.query(
      `insert into accounts.syncs (id, account_id, user_id, state, changed_at)
       values ($1, $2, $3, 'running', now() - interval '21 minutes')`,
      [syncId, id, userId],
    );
    await tend();
    expect(await syncing.as(userId).job(syncId)).toMatchObject({ state: "succeeded" });
  });
});
