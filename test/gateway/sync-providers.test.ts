import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { SyncReply } from "../../services/accounts/contract/sync.ts";
import type { Account } from "../../services/accounts/contract.ts";
import { type EvmNode, startEvmNode } from "../support/providers/evm-node.ts";
import {
  FUNDING,
  type Okx,
  type OkxAccount,
  okxAccount,
  okxError,
  startOkx,
} from "../support/providers/okx.ts";
import { type System, startSystem } from "../support/system.ts";
import { type Send, senderTo } from "./http.ts";

const REPLICAS = 3;
const WALLET = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

let okx: Okx;
let node: EvmNode;
let system: System;
let send: Send;
beforeAll(async () => {
  [okx, node] = await Promise.all([startOkx(), startEvmNode()]);
  system = await startSystem({
    replicas: { accounts: REPLICAS },
    environment: {
      LOG_LEVEL: "trace",
      EXCHANGE_URLS: `okx=${okx.url}`,
      OUTGOING_PRIVATE_HOSTS: `${okx.host},${node.host}`,
    },
  });
  send = senderTo(system);
  await system.database.query("update market.chains set is_active = chain_id = 'ethereum', rpc_url = $1", [
    node.url,
  ]);
});
afterAll(async () => {
  await system.stop();
  await Promise.all([okx.stop(), node.stop()]);
});
beforeEach(() => {
  okx.misbehave();
  node.misbehave();
  okx.delay(0);
});

interface Synced {
  readonly user: string;
  readonly id: string;
  readonly provider: OkxAccount;
  readonly reply: SyncReply;
}

const sync = async (user: string, id: string) => {
  const reply = await send(user, "POST", `/v1/accounts/${id}/sync`);
  expect(reply.status).toBe(202);
  return (await reply.json()) as SyncReply;
};
const get = async (user: string, id: string) =>
  (await (await send(user, "GET", `/v1/accounts/${id}`)).json()) as Account;

/** A user with an account at OKX that was synced once. */
async function atOkx(contents: Parameters<typeof okxAccount>[1]): Promise<Synced> {
  const user = `user-${randomUUID()}`;
  const provider = okxAccount(`CANARY-${randomUUID()}`, contents);
  okx.accounts.push(provider);
  const { api_key, api_secret, passphrase } = provider;
  const credentials = { api_key, api_secret, passphrase };
  const body = { name: "OKX", account_type: "exchange", exchange_name: "okx", ...credentials };
  const { id } = (await (await send(user, "POST", "/v1/accounts", { body })).json()) as Account;
  return { user, id, provider, reply: await sync(user, id) };
}

const BTC = { ccy: "BTC", cashBal: "0.5", availBal: "0.4", frozenBal: "0.1" };

describe("an account at OKX", () => {
  it("is read by its key, from both of its accounts, and shown by the next request", async () => {
    const { user, id, reply } = await atOkx({
      trading: [BTC, { ccy: "USDT", cashBal: "0.000000000000000001" }],
      funding: [
        { ccy: "BTC", bal: "1.000000000000000000000000000001" },
        { ccy: "OKB", bal: "0" },
      ],
    });
    expect(reply).toMatchObject({ account_id: id, state: "succeeded", success: true, holdings_count: 2 });
    const account = await get(user, id);
    expect(account).toMatchObject({ stale: false, last_synced_at: account.updated_at });
    expect(account.holdings).toEqual([
      { asset: "BTC", quantity: "1.500000000000000000000000000001" },
      { asset: "USDT", quantity: "0.000000000000000001" },
    ]);
  });

  // Before those that leave attempts for later.
  it("is read by one replica at a time, however many ask at once", async () => {
    const { user, id, provider } = await atOkx({ trading: [BTC] });
    const asked = () =>
      okx.requests.filter(({ headers }) => headers["ok-access-key"] === provider.api_key).length;
    const askedBefore = asked();
    okx.delay(50);
    const replies = await Promise.all(Array.from({ length: 50 }, () => sync(user, id)));
    const jobs = new Set(replies.map(({ job_id }) => job_id));
    expect(replies.map(({ success }) => success)).toEqual(replies.map(() => true));
    // Each read asks both accounts, and nobody reads beside another.
    expect(asked() - askedBefore).toBe(2 * jobs.size);
    expect(okx.mostAtOnce).toBeLessThanOrEqual(2);
    expect(await get(user, id)).toMatchObject({ version: 2 + jobs.size });
  });

  it.each([
    [
      "half of it cannot be read",
      (path: string) => (path.startsWith(FUNDING) ? okxError("50001") : undefined),
    ],
    ["OKX wants fewer requests", () => okxError("50011", 429)],
    ["OKX answers an error with HTTP 200", () => okxError("50013")],
    ["something else answers", () => "html" as const],
    ["the connection breaks", () => "reset" as const],
  ])("keeps what was last read when %s, and says so", async (_, answer) => {
    const { user, id } = await atOkx({ trading: [BTC] });
    const before = await get(user, id);
    okx.misbehave(({ path }) => answer(path));
    const reply = await sync(user, id);
    expect(reply.error).toMatch(/OKX.+\.$/);
    expect(reply.holdings_count).toBe(1);
    expect(reply.success).not.toBe(true);
    const after = await get(user, id);
    const { holdings, last_synced_at } = before;
    expect(after).toMatchObject({ holdings, last_synced_at, stale: true, last_sync_error: reply.error });
  });

  it("says that a key is refused, and heals with the right one", async () => {
    const { user, id, provider } = await atOkx({ trading: [BTC] });
    await send(user, "PUT", `/v1/accounts/${id}`, { body: { passphrase: "wrong" } });
    expect(await sync(user, id)).toMatchObject({ state: "failed", error: expect.stringMatching(/key/) });
    await send(user, "PUT", `/v1/accounts/${id}`, { body: { passphrase: provider.passphrase } });
    expect(await sync(user, id)).toMatchObject({ state: "succeeded", success: true });
    expect(await get(user, id)).toMatchObject({ stale: false });
  });

  it("shows its key to OKX and to no log", async () => {
    for (const { output } of system.replicas) {
      expect(output().length).toBeGreaterThan(100);
      expect(output()).not.toContain("CANARY");
    }
  });
});

describe("an EVM wallet", () => {
  it("is read from the chains and for the tokens of the registry, and keeps what it had when a node fails", async () => {
    const user = `user-${randomUUID()}`;
    const [token] = await system.database.query<{ contract_address: string }>(
      "select contract_address from market.evm_tokens where chain = 'ethereum' and symbol = 'USDC'",
    );
    node.state.balances[WALLET] = 1_500_000_000_000_000_001n;
    for (const { contract_address } of await system.database.query<{ contract_address: string }>(
      "select contract_address from market.evm_tokens where chain = 'ethereum'",
    )) {
      node.state.tokens[contract_address] = { decimals: 18, balances: {} };
    }
    const usdc = { decimals: 6, balances: { [WALLET]: 2_500_001n } };
    node.state.tokens[token?.contract_address as string] = usdc;
    const body = { name: "Wallet", account_type: "wallet", wallet_address: WALLET };
    const { id } = (await (await send(user, "POST", "/v1/accounts", { body })).json()) as Account;
    expect(await sync(user, id)).toMatchObject({ success: true, holdings_count: 2 });
    const holdings = [
      { asset: "ETH-ethereum", quantity: "1.500000000000000001", decimals: 18 },
      { asset: "USDC-ethereum", quantity: "2.500001", decimals: 6 },
    ];
    expect((await get(user, id)).holdings).toEqual(holdings);
    node.misbehave({ status: 500, body: "no" });
    expect((await sync(user, id)).error).toMatch(/\.$/);
    expect(await get(user, id)).toMatchObject({ holdings, stale: true });
  });
});
