import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Account } from "../../services/accounts/contract.ts";
import { type System, startSystem } from "../support/system.ts";
import { checkedProblem, expectProblem, type Send, senderTo } from "./http.ts";

const EVM = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const SOLANA = "vines1vzrYbzLMRdu58ou5XTby4qAqVRLmqo36NKPTg";

let system: System;
let send: Send;
beforeAll(async () => {
  system = await startSystem({ environment: { LOG_LEVEL: "trace" } });
  send = senderTo(system);
});
afterAll(() => system.stop());

/** A user of their own, so that the tests do not see each other's accounts. */
function someone(): string {
  return `user-${randomUUID()}`;
}

const wallet = { name: "Wallet", account_type: "wallet", wallet_address: EVM };
const exchange = { name: "OKX", account_type: "exchange", exchange_name: "okx" };
const manual = { name: "By hand", account_type: "manual" };

const post = (user: string, body: object) => send(user, "POST", "/v1/accounts", { body });

async function create(user: string, body: object): Promise<Account> {
  const reply = await post(user, body);
  expect(reply.status).toBe(201);
  return Account.parse(await reply.json());
}

describe("POST /v1/accounts", () => {
  it.each(["", "/api"])(
    "answers 201 with the account, its ETag and its address, below '%s'",
    async (prefix) => {
      const user = someone();
      const reply = await send(user, "POST", `${prefix}/v1/accounts`, { body: wallet });
      const account = Account.parse(await reply.json());
      expect([reply.status, reply.headers.get("etag")]).toEqual([201, '"1"']);
      expect(reply.headers.get("location")).toBe(`${prefix}/v1/accounts/${account.id}`);
      const found = await send(user, "GET", reply.headers.get("location") as string);
      expect([found.status, found.headers.get("etag"), await found.json()]).toEqual([200, '"1"', account]);
      const list = await send(user, "GET", `${prefix}/v1/accounts`);
      expect([list.status, await list.json()]).toEqual([200, [account]]);
    },
  );

  it("takes what the existing front end sends", async () => {
    const user = someone();
    const chains = (await (await send(user, "GET", "/v1/evm-chains")).json()) as { chain_id: string }[];
    const enabled_chains = chains.slice(0, 3).map(({ chain_id }) => chain_id);
    expect(enabled_chains).toHaveLength(3);
    expect(await create(user, { ...wallet, enabled_chains })).toMatchObject({ enabled_chains });
    const solana = { ...wallet, wallet_address: SOLANA, exchange_name: "solana" };
    expect(await create(user, solana)).toMatchObject({ exchange_name: "solana", wallet_address: SOLANA });
    await create(user, { ...exchange, api_key: "k", api_secret: "s", passphrase: "p" });
    const list = (await (await send(user, "GET", "/v1/accounts")).json()) as Account[];
    expect(list.map(({ account_type }) => account_type)).toEqual(["wallet", "wallet", "exchange"]);
    for (const account of list) expect(account).not.toHaveProperty("holdings");
  });

  it.each([
    [
      "a wrong checksum",
      { ...wallet, wallet_address: EVM.replace("aA", "Aa") },
      "VALIDATION_FAILED",
      400,
      ["/wallet_address"],
    ],
    ["no address", { ...wallet, wallet_address: undefined }, "VALIDATION_FAILED", 400, ["/wallet_address"]],
    [
      "an unknown exchange",
      { ...exchange, exchange_name: "x" },
      "VALIDATION_FAILED",
      400,
      ["/exchange_name"],
    ],
    ["a foreign id", { ...manual, id: randomUUID() }, "VALIDATION_FAILED", 400, ["/id"]],
    [
      "members that do not go together",
      { ...manual, api_key: "k" },
      "ACCOUNT_MEMBERS_DISAGREE",
      422,
      ["/api_key"],
    ],
    [
      "an unknown chain",
      { ...wallet, enabled_chains: ["nowhere"] },
      "UNKNOWN_CHAIN",
      422,
      ["/enabled_chains/0"],
    ],
    ["no chain", { ...wallet, enabled_chains: [] }, "NO_ACTIVE_CHAIN", 422, ["/enabled_chains"]],
  ] as const)("refuses %s, and nothing is kept", async (_, body, code, status, pointers) => {
    const user = someone();
    await expectProblem(await post(user, body), code, status, pointers);
    expect(await (await send(user, "GET", "/v1/accounts")).json()).toEqual([]);
  });

  it("answers 409 for a duplicate, also to all but one of many at once", async () => {
    const user = someone();
    const replies = await Promise.all(Array.from({ length: 10 }, () => post(user, wallet)));
    expect(replies.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)]);
    await expectProblem(await post(user, wallet), "ACCOUNT_DUPLICATE", 409, ["/wallet_address"]);
  });
});

describe("PUT /v1/accounts/{id}", () => {
  it("changes what is given for the version that is named, and nothing else", async () => {
    const user = someone();
    const created = await create(user, wallet);
    const path = `/v1/accounts/${created.id}`;
    const body = { ...wallet, name: "Renamed", is_active: false };
    const reply = await send(user, "PUT", path, { body, headers: { "If-Match": '"1"' } });
    expect([reply.status, reply.headers.get("etag")]).toEqual([200, '"2"']);
    expect(Account.parse(await reply.json())).toEqual({
      ...created,
      name: "Renamed",
      is_active: false,
      version: 2,
      updated_at: expect.any(String),
    });
    const late = await send(user, "PUT", path, { body: { name: "Late" }, headers: { "If-Match": '"1"' } });
    await expectProblem(late, "PRECONDITION_FAILED", 412);
    const changed = await send(user, "PUT", path, { body: { account_type: "exchange" } });
    await expectProblem(changed, "ACCOUNT_MEMBER_UNCHANGEABLE", 422, ["/account_type"]);
    const deleted = await send(user, "DELETE", path, { headers: { "If-Match": '"2"' } });
    expect([deleted.status, await deleted.text()]).toEqual([204, ""]);
    await expectProblem(await send(user, "GET", path), "ACCOUNT_NOT_FOUND", 404);
  });
});

describe("PUT /v1/accounts/{id}/holdings", () => {
  it("takes the list as the whole body, and gives its digits back", async () => {
    const user = someone();
    const { id } = await create(user, manual);
    const holdings = [
      { asset: "BTC", quantity: `0.${"0".repeat(29)}1` },
      { asset: "ETH-base", quantity: `1${"0".repeat(30)}` },
    ];
    const reply = await send(user, "PUT", `/v1/accounts/${id}/holdings`, { body: holdings });
    const account = Account.parse(await reply.json());
    expect([reply.status, reply.headers.get("etag"), account.holdings]).toEqual([200, '"2"', holdings]);
    const headers = { "If-Match": '"1"' };
    const late = await send(user, "PUT", `/v1/accounts/${id}/holdings`, { body: [], headers });
    await expectProblem(late, "PRECONDITION_FAILED", 412);
    expect(await (await send(user, "GET", `/v1/accounts/${id}`)).json()).toEqual(account);
  });

  const one = (changes: object) => [
    { asset: "A", quantity: "1" },
    { asset: "B", quantity: "2", ...changes },
  ];
  it.each([
    ["a negative quantity", one({ quantity: "-1" }), "VALIDATION_FAILED", 400, ["/1/quantity"]],
    ["an exponent", one({ quantity: "1e3" }), "VALIDATION_FAILED", 400, ["/1/quantity"]],
    ["79 digits", one({ quantity: "1".repeat(79) }), "VALIDATION_FAILED", 400, ["/1/quantity"]],
    ["an asset twice", one({ asset: "A" }), "VALIDATION_FAILED", 400, ["/1/asset"]],
    ["an unknown member", one({ price: 1 }), "VALIDATION_FAILED", 400, ["/1/price"]],
    ["an object", { holdings: [] }, "VALIDATION_FAILED", 400, [""]],
    ["more frozen than there is", one({ frozen: "2.1" }), "HOLDING_AMOUNTS_DISAGREE", 422, ["/1/frozen"]],
  ] as const)("refuses %s, told of the body as it was sent", async (_, body, code, status, pointers) => {
    const user = someone();
    const { id } = await create(user, manual);
    const problem = await expectProblem(
      await send(user, "PUT", `/v1/accounts/${id}/holdings`, { body }),
      code,
      status,
      pointers,
    );
    expect(problem.detail).not.toContain("holdings");
  });

  it.each([
    ["no body", "", "MALFORMED_JSON", 400],
    ["half a body", "[", "MALFORMED_JSON", 400],
    ["null", "null", "VALIDATION_FAILED", 400],
    ["a text", '"[]"', "VALIDATION_FAILED", 400],
    ["too deep a body", "[".repeat(40) + "]".repeat(40), "VALIDATION_FAILED", 400],
    ["too long a body", `[${" ".repeat(64 * 1024)}]`, "PAYLOAD_TOO_LARGE", 413],
  ] as const)("refuses %s", async (_, body, code, status) => {
    const user = someone();
    const { id } = await create(user, manual);
    const headers = { "Content-Type": "application/json" };
    const reply = await send(user, "PUT", `/v1/accounts/${id}/holdings`, { body, headers });
    checkedProblem(await reply.text(), code, status);
    const typed = await send(user, "PUT", `/v1/accounts/${id}/holdings`, {
      body: "[]",
      headers: { "Content-Type": "text/plain" },
    });
    await expectProblem(typed, "UNSUPPORTED_MEDIA_TYPE", 415);
  });

  it("answers 409 for an account of another type", async () => {
    const user = someone();
    const { id } = await create(user, exchange);
    const reply = await send(user, "PUT", `/v1/accounts/${id}/holdings`, { body: [] });
    await expectProblem(reply, "ACCOUNT_NOT_MANUAL", 409);
  });
});

describe("someone else's account", () => {
  it("is answered with the very bytes of one that does not exist", async () => {
    const [owner, stranger] = [someone(), someone()];
    const { id } = await create(owner, manual);
    for (const [method, rest, body] of [
      ["GET", "", undefined],
      ["PUT", "", { name: "Mine" }],
      ["DELETE", "", undefined],
      ["PUT", "/holdings", [{ asset: "BTC", quantity: "1" }]],
    ] as const) {
      const [foreign, unknown] = await Promise.all(
        [id, randomUUID()].map((target) =>
          send(stranger, method, `/v1/accounts/${target}${rest}`, body ? { body } : {}),
        ),
      );
      const bytes = await foreign?.text();
      expect([foreign?.status, bytes]).toEqual([404, await unknown?.text()]);
      checkedProblem(bytes as string, "ACCOUNT_NOT_FOUND", 404);
    }
    expect(await (await send(owner, "GET", `/v1/accounts/${id}`)).json()).toMatchObject({ name: "By hand" });
  });
});

describe("credentials", () => {
  it("are in no reply and in no log of any process, also when all is logged and much goes wrong", async () => {
    const user = someone();
    const secrets = { api_key: "CANARY-1", api_secret: "CANARY-2", passphrase: "CANARY-3" };
    const replies: Response[] = [];
    const { id } = await create(user, { ...exchange, ...secrets });
    replies.push(await send(user, "PUT", `/v1/accounts/${id}`, { body: { ...secrets, name: "Again" } }));
    for (const body of [
      { ...exchange, ...secrets },
      { ...exchange, ...secrets, name: "" },
      { ...manual, ...secrets },
      { ...exchange, api_key: ["CANARY"], api_secret: 7 },
    ]) {
      replies.push(await post(user, body));
    }
    replies.push(await send(user, "GET", "/v1/accounts"), await send(user, "GET", "/v1/me/export"));
    const unlock = await system.database.lock("accounts.credentials");
    const waiting = post(user, { ...exchange, api_key: "CANARY-4" });
    while (
      (
        await system.database.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where application_name = 'accounts' and wait_event_type = 'Lock' and datname = current_database()`,
        )
      ).length === 0
    );
    await unlock();
    replies.push(await waiting);
    const texts = await Promise.all(replies.map((reply) => reply.text()));
    expect(replies.map(({ status }) => status)).toEqual([200, 409, 400, 422, 400, 200, 200, 503]);
    for (const text of texts) expect(text).not.toContain("CANARY");
    for (const { output } of system.replicas) {
      expect(output().length).toBeGreaterThan(100);
      expect(output()).not.toContain("CANARY");
    }
  });
});
