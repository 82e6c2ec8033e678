import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { gate, readHolding, type Syncing, startSyncing } from "./sync-services.ts";

const REPLICAS = 3;

let syncing: Syncing;
beforeAll(async () => {
  syncing = await startSyncing({ replicas: REPLICAS });
});
afterAll(() => syncing.stop());
beforeEach(() => {
  syncing.provider.read = async () => [readHolding("A", "1")];
  syncing.provider.requests.length = 0;
  syncing.provider.mostAtOnce = 0;
  syncing.logged.length = 0;
});

const newWallet = async () => {
  const userId = randomUUID();
  const { id } = await syncing.as(userId).wallet({ wallet_address: randomAddress() });
  return { userId, user: syncing.as(userId), id };
};
const randomAddress = () => `0x${randomUUID().replaceAll("-", "")}00000000`;

/** As a replica does that holds the account and was not heard of since. */
const hold = (id: string, seconds: number) =>
  syncing.database.query(
    `update accounts.accounts set sync_token = gen_random_uuid(), sync_lease_until = now() + make_interval(secs => $2)
     where id = $1`,
    [id, seconds],
  );

const rowOf = async (id: string) => {
  const [row] = await syncing.database.query("select * from accounts.accounts where id = $1", [id]);
  return row;
};

describe("an account that is synced", () => {
  it("has one job for all who ask at once", async () => {
    const { userId, user, id } = await newWallet();
    const held = gate();
    syncing.provider.read = async () => {
      await held.passed;
      return [];
    };
    const asked = Array.from({ length: 6 }, (_, caller) => syncing.as(userId, caller).sync(id));
    // Whoever asks when it has ended gets another: it goes on until all have their answers.
    const replies = await Promise.all(asked);
    held.open();
    const jobs = new Set(replies.map(({ job_id }) => job_id));
    expect(jobs.size).toBe(1);
    for (const job of jobs) await syncing.until(userId, job, "succeeded");
    expect(syncing.provider.requests).toHaveLength(1);
    expect(await user.get(id)).toMatchObject({ version: 2 });
  });

  it("is read by one at a time, whoever asks 50 times of three replicas", async () => {
    const { userId, user, id } = await newWallet();
    syncing.provider.read = async () => {
      await wait(20);
      return [readHolding("A", "1")];
    };
    const asked = Array.from({ length: 50 }, async (_, caller) => {
      await wait(Math.random() * 500);
      return syncing.as(userId, caller).sync(id);
    });
    const replies = await Promise.all(asked);
    expect(replies.map(({ success }) => success)).toEqual(replies.map(() => true));
    expect(syncing.provider.mostAtOnce).toBe(1);
    const jobs = new Set(replies.map(({ job_id }) => job_id));
    expect(syncing.provider.requests).toHaveLength(jobs.size);
    expect(await user.get(id)).toMatchObject({ version: 1 + jobs.size });
  });

  it("is left to whoever holds it, and taken over when the lease ends", async () => {
    const { userId, user, id } = await newWallet();
    const heldSince = performance.now();
    await hold(id, 2);
    let readAfterMs = 0;
    syncing.provider.read = async () => {
      readAfterMs = performance.now() - heldSince;
      return [];
    };
    const { job_id } = await user.sync(id);
    expect(await syncing.until(userId, job_id, "succeeded")).toMatchObject({ attempts: 1 });
    expect(syncing.provider.requests).toHaveLength(1);
    expect(readAfterMs).toBeGreaterThan(2_000);
  });

  it("is taken over from one who began and died", async () => {
    const { userId, user, id } = await newWallet();
    const dead = gate();
    syncing.provider.read = async () => {
      await dead.passed;
      return [readHolding("DEAD", "1")];
    };
    const asked = user.sync(id);
    while (syncing.provider.requests.length === 0) await wait(10);
    // Nobody renews the lease, and the job goes to the next.
    await syncing.database.query(
      "update accounts.accounts set sync_token = null, sync_lease_until = null where id = $1",
      [id],
    );
    syncing.provider.read = async () => [readHolding("ALIVE", "2")];
    const { job_id } = await asked;
    await syncing.add("sync", { sync_id: job_id });
    expect(await syncing.until(userId, job_id, "succeeded")).toMatchObject({ attempts: 2 });
    dead.open();
    await wait(200);
    expect(await user.get(id)).toMatchObject({ version: 2, holdings: [{ asset: "ALIVE" }] });
  });

  it("takes nothing from a replica that was frozen while another took over", async () => {
    const { userId, user, id } = await newWallet();
    await user.sync(id);
    const frozen = gate();
    syncing.provider.read = async () => {
      await frozen.passed;
      return [readHolding("FROZEN", "1")];
    };
    const asked = user.sync(id);
    while (syncing.provider.requests.length < 2) await wait(10);
    await hold(id, 1);
    const before = await rowOf(id);
    frozen.open();
    await wait(300);
    expect(await rowOf(id)).toEqual(before);
    expect(await user.get(id)).toMatchObject({ holdings: [{ asset: "A" }] });
    syncing.provider.read = async () => [readHolding("NEXT", "1")];
    const { job_id } = await asked;
    await syncing.add("sync", { sync_id: job_id });
    await syncing.until(userId, job_id, "succeeded");
    expect(await user.get(id)).toMatchObject({ holdings: [{ asset: "NEXT" }] });
  });

  it("can be deleted meanwhile: nothing is written, and nobody complains", async () => {
    const { user, id } = await newWallet();
    const held = gate();
    syncing.provider.read = async () => {
      await held.passed;
      return [readHolding("A", "1")];
    };
    const asked = user.sync(id);
    while (syncing.provider.requests.length === 0) await wait(10);
    await user.delete(id);
    held.open();
    await expect(asked).rejects.toMatchObject({ type: "ACCOUNT_NOT_FOUND" });
    await untilNoJobs();
    for (const table of ["syncs", "holdings"]) {
      const rows = await syncing.database.query(`select from accounts.${table} where account_id = $1`, [id]);
      expect(rows).toEqual([]);
    }
    expect(syncing.heard.filter(({ aggregate_id }) => aggregate_id === id)).toEqual([]);
    expect(syncing.logged).toEqual([]);
  });

  it("is synced after what the user changed meanwhile", async () => {
    const { user, id } = await newWallet();
    const held = gate();
    syncing.provider.read = async () => {
      await held.passed;
      return [];
    };
    const asked = user.sync(id);
    while (syncing.provider.requests.length === 0) await wait(10);
    const isDue = async () => {
      const [row] = await syncing.database.query<{ due: boolean }>(
        "select sync_due_at <= now() as due from accounts.accounts where id = $1",
        [id],
      );
      return row?.due;
    };
    expect(await isDue()).toBe(false);
    await user.update(id, { enabled_chains: ["base"] });
    held.open();
    expect(await asked).toMatchObject({ success: true });
    expect(await isDue()).toBe(true);
  });
});

async function untilNoJobs(): Promise<void> {
  for (;;) {
    const jobs = await syncing.database.query(
      "select from accounts_jobs.jobs where task_identifier = 'sync'",
    );
    if (jobs.length === 0) return;
    await wait(20);
  }
}
