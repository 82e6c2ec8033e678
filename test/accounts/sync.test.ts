import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { ConnectorError } from "../../services/accounts/connectors/connector.ts";
import { Job, SyncReply } from "../../services/accounts/contract/sync.ts";
import { Account, type HeldAccount } from "../../services/accounts/contract.ts";
import { REGISTRY } from "./services.ts";
import { gate, type Read, readHolding, type Syncing, startSyncing } from "./sync-services.ts";

let syncing: Syncing;
beforeAll(async () => {
  syncing = await startSyncing();
});
afterAll(() => syncing.stop());
beforeEach(() => {
  syncing.provider.read = async () => [];
  syncing.provider.requests.length = 0;
});

const CREDENTIALS = { api_key: "key", api_secret: "secret", passphrase: "phrase" };

/** A user with a wallet that was synced once. */
async function withWallet(read: Read = async () => [readHolding("ETH-ethereum", "1.5")]) {
  const userId = randomUUID();
  const user = syncing.as(userId);
  const { id } = await user.wallet();
  syncing.provider.read = read;
  const reply = await user.sync(id);
  return { userId, user, id, reply };
}

async function heldBy(userId: string, id: string): Promise<HeldAccount | undefined> {
  const { accounts } = await syncing.call<{ accounts: HeldAccount[] }>("accounts.holdings", {
    user_id: userId,
    account_ids: [id],
  });
  return accounts[0];
}

/** What was told of an account, once there are so many events. */
async function toldOf(id: string, count: number): Promise<unknown[]> {
  for (;;) {
    const told = syncing.heard.filter(({ aggregate_id }) => aggregate_id === id);
    if (told.length >= count) return told.map(({ payload }) => payload);
    await wait(20);
  }
}

describe("accounts.sync", () => {
  it("answers when it is done: the next read has what the provider has now", async () => {
    const usdc = { symbol: "USDC", chain: "ethereum", contract: `0x${"1".repeat(40)}`, decimals: 6 };
    const { userId, user, id, reply } = await withWallet(async () => [
      readHolding("ETH-ethereum", "1.50", { symbol: "ETH", chain: "ethereum", decimals: 18 }),
      readHolding("USDC-ethereum", "100", { ...usdc, available: "60", frozen: "40" }),
    ]);
    expect(SyncReply.parse(reply)).toEqual({
      message: "The account was synced.",
      account_id: id,
      job_id: expect.any(String),
      state: "succeeded",
      success: true,
      holdings_count: 2,
    });
    const account = await user.get(id);
    expect(Account.parse(account)).toMatchObject({
      stale: false,
      version: 2,
      last_synced_at: account.updated_at,
      holdings: [
        { asset: "ETH-ethereum", quantity: "1.50", decimals: 18 },
        { asset: "USDC-ethereum", quantity: "100", decimals: 6 },
      ],
    });
    expect((await heldBy(userId, id))?.holdings).toMatchObject([
      { asset: "ETH-ethereum", symbol: "ETH", chain: "ethereum", quantity: "1.50" },
      { ...usdc, asset: "USDC-ethereum", quantity: "100", available: "60", frozen: "40" },
    ]);
    const job = await user.job(reply.job_id);
    expect(Job.parse(job)).toMatchObject({ id: reply.job_id, account_id: id, success: true, attempts: 1 });
  });

  it("asks the provider with what the account says, and with the registry for wallets alone", async () => {
    const { user, id } = await withWallet();
    const [wallet] = syncing.provider.requests;
    expect(wallet).toMatchObject({
      account: { account_type: "wallet", exchange_name: null },
      registry: REGISTRY,
    });
    expect(wallet).not.toHaveProperty("credentials");
    expect(wallet?.account.wallet_address).toBe((await user.get(id)).wallet_address);
    const exchange = await syncing.as(randomUUID()).exchange(CREDENTIALS);
    await syncing.as(exchange.user_id).sync(exchange.id);
    expect(syncing.provider.requests[1]).toMatchObject({
      account: { account_type: "exchange", exchange_name: "okx", wallet_address: null },
      credentials: CREDENTIALS,
      registry: { chains: [], evm_tokens: [], solana_tokens: [] },
    });
  });

  it("takes everything away that the provider no longer has, and says that there is nothing", async () => {
    const { user, id } = await withWallet();
    syncing.provider.read = async () => [];
    expect(await user.sync(id)).toMatchObject({ success: true, holdings_count: 0 });
    expect(await user.get(id)).toMatchObject({ holdings: [], stale: false });
  });

  it("keeps amounts exactly, the largest and the smallest", async () => {
    const amounts = [`${2n ** 256n - 1n}`, `1${"0".repeat(30)}`, `0.${"0".repeat(29)}1`];
    const { user, id } = await withWallet(async () =>
      amounts.map((amount, index) => readHolding(`A${index}`, amount)),
    );
    expect((await user.get(id)).holdings?.map(({ quantity }) => quantity)).toEqual(amounts);
  });

  it.each([
    ["an asset twice", [readHolding("A", "1"), readHolding("A", "2")]],
    ["an exponent", [readHolding("A", "1e3")]],
    ["a negative amount", [readHolding("A", "1", { available: "-1" })]],
    ["no number", [readHolding("A", "NaN")]],
    ["too many digits", [readHolding("A", "9".repeat(79))]],
    ["no asset", [readHolding("", "1")]],
    ["too many assets", Array.from({ length: 1001 }, (_, index) => readHolding(`A${index}`, "1"))],
  ])("takes nothing over from an answer with %s", async (_, answer) => {
    const { user, id } = await withWallet();
    const before = await user.get(id);
    syncing.provider.read = async () => answer;
    expect(await user.sync(id)).toMatchObject({
      state: "failed",
      success: false,
      error: expect.any(String),
      holdings_count: 1,
    });
    const { holdings, last_synced_at } = before;
    expect(await user.get(id)).toMatchObject({ holdings, last_synced_at, stale: true });
  });

  it("keeps what was read last when the provider refuses, says why, and does not ask it again", async () => {
    const { userId, user, id } = await withWallet();
    const before = await user.get(id);
    syncing.provider.requests.length = 0;
    syncing.provider.read = async () => {
      throw new ConnectorError("refused_credentials", "OKX refused the key.");
    };
    const reply = await user.sync(id);
    expect(reply).toMatchObject({ state: "failed", success: false, error: "OKX refused the key." });
    expect(reply.holdings_count).toBe(1);
    expect(await user.get(id)).toEqual({
      ...before,
      stale: true,
      last_sync_error: "OKX refused the key.",
      updated_at: expect.any(String),
      version: before.version + 1,
    });
    expect(await heldBy(userId, id)).toMatchObject({ stale: true, last_synced_at: before.last_synced_at });
    await syncing.hurry();
    expect(await user.job(reply.job_id)).toMatchObject({ state: "failed", attempts: 1 });
    expect(syncing.provider.requests).toHaveLength(1);
    syncing.provider.read = async () => [];
    await user.sync(id);
    const healed = await user.get(id);
    expect([healed.stale, healed.last_sync_error, healed.holdings]).toEqual([false, undefined, []]);
  });

  it.each(["unavailable", "timed_out", "rate_limited", "incomplete"] as const)(
    "tries again later after %s, three times in all, and keeps what was read last",
    async (kind) => {
      const { userId, user, id } = await withWallet();
      syncing.provider.requests.length = 0;
      const asked = [gate(), gate(), gate()];
      syncing.provider.read = async () => {
        asked[syncing.provider.requests.length - 1]?.open();
        throw new ConnectorError(kind, "Not now.", kind === "rate_limited" ? 1 : undefined);
      };
      const reply = await user.sync(id);
      expect(reply).toMatchObject({ state: "queued", error: "Not now.", holdings_count: 1 });
      expect(reply).not.toHaveProperty("success");
      expect(await user.get(id)).toMatchObject({ stale: true, last_sync_error: "Not now." });
      for (const next of asked.slice(1)) {
        await syncing.until(userId, reply.job_id, "queued");
        await syncing.hurry();
        await next.passed;
      }
      const job = await syncing.until(userId, reply.job_id, "failed");
      expect(job).toMatchObject({ success: false, error: "Not now.", attempts: 3, holdings_count: 1 });
      expect(syncing.provider.requests).toHaveLength(3);
      expect(await user.get(id)).toMatchObject({ holdings: [{ asset: "ETH-ethereum" }], stale: true });
    },
  );

  it("leaves a provider alone for as long as it asks", async () => {
    const { user, id } = await withWallet();
    syncing.provider.read = async () => {
      throw new ConnectorError("rate_limited", "Slower.", 600);
    };
    const { job_id } = await user.sync(id);
    const [job] = await syncing.database.query<{ seconds: number }>(
      "select extract(epoch from run_at - now())::float8 as seconds from accounts_jobs.jobs where key = $1",
      [job_id],
    );
    expect(job?.seconds).toBeGreaterThan(590);
    expect(job?.seconds).toBeLessThan(610);
    // Whoever asks meanwhile is given that job.
    expect((await user.sync(id)).job_id).toBe(job_id);
  });

  it("takes up an attempt that succeeds after one that did not", async () => {
    const { userId, user, id } = await withWallet();
    let isDown = true;
    syncing.provider.read = async () => {
      if (isDown) throw new ConnectorError("unavailable", "Not now.");
      return [readHolding("B", "2")];
    };
    const { job_id } = await user.sync(id);
    isDown = false;
    await syncing.hurry();
    const job = await syncing.until(userId, job_id, "succeeded");
    expect(job).toMatchObject({ success: true, attempts: 2, holdings_count: 1 });
    expect(job).not.toHaveProperty("error");
    expect(await user.get(id)).toMatchObject({ stale: false, holdings: [{ asset: "B" }] });
  });

  it("says what is missing at an exchange without credentials, and asks nobody", async () => {
    const user = syncing.as(randomUUID());
    const { id } = await user.exchange();
    const reply = await user.sync(id);
    expect(reply).toMatchObject({
      state: "failed",
      holdings_count: 0,
      error: expect.stringMatching(/API key/),
    });
    expect(syncing.provider.requests).toEqual([]);
    expect(await user.get(id)).not.toHaveProperty("holdings");
  });

  it("does not hide what nobody has foreseen behind a success, and tells the user nothing of it", async () => {
    const { user, id } = await withWallet();
    syncing.provider.read = async () => {
      throw new TypeError("https://node.example/CANARY-SECRET");
    };
    const reply = await user.sync(id);
    expect(reply).toMatchObject({ state: "failed", error: expect.stringMatching(/on our side/) });
    expect(syncing.logged.join("\n")).toMatch(/unexpectedly/);
    expect(syncing.logged.join("\n")).not.toMatch(/CANARY/);
  });

  it("is for the user's own accounts, and not for manual ones or those that are not active", async () => {
    const user = syncing.as(randomUUID());
    const foreign = await syncing.as(randomUUID()).wallet();
    for (const id of [foreign.id, randomUUID()]) {
      await expect(user.sync(id)).rejects.toMatchObject({ type: "ACCOUNT_NOT_FOUND" });
    }
    const manual = await user.manual();
    await expect(user.sync(manual.id)).rejects.toMatchObject({
      type: "ACCOUNT_NOT_SYNCABLE",
      data: { detail: expect.stringMatching(/manual/) },
    });
    const wallet = await user.wallet();
    await user.update(wallet.id, { is_active: false });
    await expect(user.sync(wallet.id)).rejects.toMatchObject({
      type: "ACCOUNT_NOT_SYNCABLE",
      data: { detail: expect.stringMatching(/not active/) },
    });
    expect(syncing.provider.requests).toEqual([]);
  });

  it("tells of each sync that has ended, in order, and of no attempt before", async () => {
    const { userId: user_id, user, id: account_id } = await withWallet();
    for (const kind of ["unavailable", "refused_credentials"] as const) {
      syncing.provider.read = async () => {
        throw new ConnectorError(kind, "No.");
      };
      const { job_id } = await user.sync(account_id);
      if (kind === "unavailable") {
        syncing.provider.read = async () => [];
        await syncing.hurry();
        await syncing.until(user_id, job_id, "succeeded");
      }
    }
    expect(await toldOf(account_id, 3)).toEqual([
      { account_id, user_id, success: true, holdings_count: 1 },
      { account_id, user_id, success: true, holdings_count: 0 },
      { account_id, user_id, success: false, holdings_count: 0 },
    ]);
  });
});

describe("accounts.syncAll", () => {
  it("asks for a sync of each active account that has a provider, oldest first", async () => {
    const user = syncing.as(randomUUID());
    expect(await user.syncAll()).toEqual({ message: "Syncing 0 accounts.", account_count: 0, job_ids: [] });
    const wallet = await user.wallet();
    const idle = await user.wallet({
      exchange_name: "solana",
      wallet_address: "vines1vzrYbzLMRdu58ou5XTby4qAqVRLmqo36NKPTg",
    });
    await user.update(idle.id, { is_active: false });
    await user.manual();
    const exchange = await user.exchange(CREDENTIALS);
    const { message, account_count, job_ids } = await user.syncAll();
    expect([message, account_count]).toEqual(["Syncing 2 accounts.", 2]);
    const jobs = await Promise.all(job_ids.map((id) => user.job(id)));
    expect(jobs.map(({ account_id }) => account_id)).toEqual([wallet.id, exchange.id]);
    for (const { id } of jobs) await syncing.until(wallet.user_id, id, "succeeded");
  });

  it("gives the jobs that are open already", async () => {
    const user = syncing.as(randomUUID());
    const { id, user_id } = await user.wallet();
    const held = gate();
    syncing.provider.read = async () => {
      await held.passed;
      return [];
    };
    const [first, second] = [await user.syncAll(), await user.syncAll()];
    expect(second).toEqual(first);
    held.open();
    const [job_id] = first.job_ids as [string];
    await syncing.until(user_id, job_id, "succeeded");
    expect(await user.sync(id)).not.toMatchObject({ job_id });
  });
});

describe("accounts.getJob", () => {
  it("answers 404 for another user's job as for one that there is not", async () => {
    const { reply } = await withWallet();
    const other = syncing.as(randomUUID());
    for (const id of [reply.job_id, randomUUID()]) {
      await expect(other.job(id)).rejects.toMatchObject({ type: "JOB_NOT_FOUND" });
    }
  });

  it("is kept for the latest 20 of an account", async () => {
    const { user, id, reply } = await withWallet();
    const jobs = [reply.job_id];
    for (let sync = 0; sync < 21; sync += 1) jobs.push((await user.sync(id)).job_id);
    const found = await Promise.allSettled(jobs.map((job) => user.job(job)));
    expect(found.map(({ status }) => status === "fulfilled")).toEqual([
      ...[false, false],
      ...Array.from({ length: 20 }, () => true),
    ]);
  });
});
