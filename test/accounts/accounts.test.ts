import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Account, MAX_ACCOUNTS_PER_USER } from "../../services/accounts/contract.ts";
import { principalOf } from "../support/broker.ts";
import { type AccountServices, BITCOIN, EVM, type Page, SOLANA, startAccounts } from "./services.ts";

let services: AccountServices;
beforeAll(async () => {
  services = await startAccounts();
});
afterAll(() => services.stop());

const someone = () => services.as(randomUUID());

/** Expects a refusal, by the problem's code and the members that it names. */
function refusal(type: string, ...pointers: readonly string[]) {
  if (pointers.length === 0) return { type };
  return { type, data: { errors: pointers.map((pointer) => expect.objectContaining({ pointer })) } };
}

describe("accounts.create", () => {
  it("answers the account in the wire's form, without what is absent and without credentials", async () => {
    const userId = randomUUID();
    const created = await services.as(userId).create({
      name: "  OKX  ",
      account_type: "exchange",
      exchange_name: "OKX",
      api_key: "key",
      api_secret: "secret",
      passphrase: "phrase",
    });
    expect(Account.parse(created)).toEqual(created);
    expect(created).toEqual({
      id: expect.any(String),
      user_id: userId,
      name: "OKX",
      account_type: "exchange",
      exchange_name: "okx",
      is_active: true,
      stale: false,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updated_at: created.created_at,
      version: 1,
    });
  });

  it("takes null for what is left out", async () => {
    const nothing = { api_key: null, api_secret: null, passphrase: null, enabled_chains: null };
    const created = await someone().wallet({ ...nothing, exchange_name: null });
    expect(created).not.toHaveProperty("exchange_name");
    expect(created).not.toHaveProperty("enabled_chains");
  });

  it("keeps the chains of an EVM wallet, each once, also those that are not active, if one is", async () => {
    const created = await someone().wallet({ enabled_chains: ["base", "mantle", "base"] });
    expect(created.enabled_chains).toEqual(["base", "mantle"]);
  });

  it.each([
    ["an EVM address as its checksum has it", undefined, EVM, EVM],
    ["in lower case", undefined, EVM.toLowerCase(), EVM],
    ["in upper case", undefined, `0x${EVM.slice(2).toUpperCase()}`, EVM],
    ["with space around", undefined, ` ${EVM} `, EVM],
    ["a Solana address", "solana", SOLANA, SOLANA],
    ["a Bitcoin address", "bitcoin", BITCOIN, BITCOIN],
    ["a Bitcoin address in capitals", "bitcoin", BITCOIN.toUpperCase(), BITCOIN],
    ["an old Bitcoin address", "Bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", undefined],
  ])("takes %s", async (_, exchange_name, wallet_address, expected) => {
    const created = await someone().wallet({ exchange_name, wallet_address });
    expect(created.wallet_address).toBe(expected ?? wallet_address);
    expect(created.exchange_name).toBe(exchange_name?.toLowerCase());
  });

  it.each([
    ["a wrong checksum", undefined, EVM.replace("aA", "Aa")],
    ["39 digits", undefined, EVM.slice(0, -1)],
    ["41 digits", undefined, `${EVM}0`],
    ["no 0x", undefined, EVM.slice(2)],
    ["a capital X", undefined, EVM.replace("0x", "0X")],
    ["another network's address", undefined, SOLANA],
    ["a Solana address with a letter that base58 lacks", "solana", SOLANA.replace("v", "0")],
    ["a Solana address that is too short", "solana", SOLANA.slice(0, 30)],
    ["an EVM address on Solana", "solana", EVM],
    ["a Bitcoin address with a wrong checksum", "bitcoin", BITCOIN.replace("mdq", "mdp")],
    ["a Bitcoin address in mixed case", "bitcoin", BITCOIN.replace("q", "Q")],
    ["a Bitcoin address of the test network", "bitcoin", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"],
  ])("refuses %s", async (_, exchange_name, wallet_address) => {
    const user = someone();
    await expect(user.wallet({ exchange_name, wallet_address })).rejects.toMatchObject(
      refusal("VALIDATION_FAILED", "/wallet_address"),
    );
    expect((await user.list()).items).toEqual([]);
  });

  const wallet = { account_type: "wallet", wallet_address: EVM };
  const exchange = { account_type: "exchange", exchange_name: "okx" };
  const manual = { account_type: "manual" };
  it.each([
    ["no type", {}, "VALIDATION_FAILED", ["/account_type"]],
    ["an unknown type", { account_type: "bank" }, "VALIDATION_FAILED", ["/account_type"]],
    ["no name", { ...manual, name: undefined }, "VALIDATION_FAILED", ["/name"]],
    ["an empty name", { ...manual, name: " " }, "VALIDATION_FAILED", ["/name"]],
    ["a long name", { ...manual, name: "x".repeat(121) }, "VALIDATION_FAILED", ["/name"]],
    ["an exchange without its name", { account_type: "exchange" }, "VALIDATION_FAILED", ["/exchange_name"]],
    ["an unknown exchange", { ...exchange, exchange_name: "mtgox" }, "VALIDATION_FAILED", ["/exchange_name"]],
    ["a wallet without its address", { account_type: "wallet" }, "VALIDATION_FAILED", ["/wallet_address"]],
    ["an empty key", { ...exchange, api_key: "" }, "VALIDATION_FAILED", ["/api_key"]],
    ["a key that is too long", { ...exchange, api_key: "k".repeat(4097) }, "VALIDATION_FAILED", ["/api_key"]],
    [
      "a chain of another form",
      { ...wallet, enabled_chains: ["Base!"] },
      "VALIDATION_FAILED",
      ["/enabled_chains/0"],
    ],
    [
      "chains that are no list",
      { ...wallet, enabled_chains: "base" },
      "VALIDATION_FAILED",
      ["/enabled_chains"],
    ],
    ["a foreign member", { ...manual, user_id: randomUUID() }, "VALIDATION_FAILED", ["/user_id"]],
    ["is_active", { ...manual, is_active: false }, "VALIDATION_FAILED", ["/is_active"]],
    [
      "an exchange with an address",
      { ...exchange, wallet_address: EVM },
      "ACCOUNT_MEMBERS_DISAGREE",
      ["/wallet_address"],
    ],
    [
      "an exchange with chains",
      { ...exchange, enabled_chains: ["base"] },
      "ACCOUNT_MEMBERS_DISAGREE",
      ["/enabled_chains"],
    ],
    [
      "an exchange that is a network",
      { ...exchange, exchange_name: "solana" },
      "ACCOUNT_MEMBERS_DISAGREE",
      ["/exchange_name"],
    ],
    [
      "a wallet at an exchange",
      { ...wallet, exchange_name: "okx" },
      "ACCOUNT_MEMBERS_DISAGREE",
      ["/exchange_name"],
    ],
    ["a wallet with a key", { ...wallet, api_key: "k" }, "ACCOUNT_MEMBERS_DISAGREE", ["/api_key"]],
    [
      "a Solana wallet with chains",
      { account_type: "wallet", wallet_address: SOLANA, exchange_name: "solana", enabled_chains: ["base"] },
      "ACCOUNT_MEMBERS_DISAGREE",
      ["/enabled_chains"],
    ],
    [
      "a manual account with anything",
      {
        ...manual,
        exchange_name: "okx",
        wallet_address: EVM,
        enabled_chains: ["base"],
        api_key: "k",
        passphrase: "p",
      },
      "ACCOUNT_MEMBERS_DISAGREE",
      ["/exchange_name", "/wallet_address", "/enabled_chains", "/api_key", "/passphrase"],
    ],
    [
      "an unknown chain",
      { ...wallet, enabled_chains: ["base", "base", "nowhere"] },
      "UNKNOWN_CHAIN",
      ["/enabled_chains/2"],
    ],
    ["no active chain", { ...wallet, enabled_chains: ["mantle"] }, "NO_ACTIVE_CHAIN", ["/enabled_chains"]],
    ["no chain", { ...wallet, enabled_chains: [] }, "NO_ACTIVE_CHAIN", ["/enabled_chains"]],
  ])("refuses %s", async (_, members, type, pointers) => {
    const user = someone();
    const refused = user.create({ name: "Bad", ...members });
    await expect(refused).rejects.toMatchObject(refusal(type, ...pointers));
    expect((await user.list()).items).toEqual([]);
  });

  it("refuses more accounts than one user may have", async () => {
    const userId = randomUUID();
    await services.database.query(
      `insert into accounts.accounts (id, user_id, name, account_type)
       select gen_random_uuid(), $1, 'A', 'manual' from generate_series(1, $2)`,
      [userId, MAX_ACCOUNTS_PER_USER - 1],
    );
    const user = services.as(userId);
    await user.manual();
    await expect(user.manual()).rejects.toMatchObject(refusal("TOO_MANY_ACCOUNTS"));
  });
});

describe("duplicates", () => {
  it("are refused for an address, in whatever case, and not for another network or another user", async () => {
    const user = someone();
    await user.wallet();
    const duplicate = refusal("ACCOUNT_DUPLICATE", "/wallet_address");
    await expect(user.wallet()).rejects.toMatchObject(duplicate);
    await expect(user.wallet({ wallet_address: EVM.toLowerCase() })).rejects.toMatchObject(duplicate);
    await user.wallet({ exchange_name: "solana", wallet_address: SOLANA });
    await someone().wallet();
    expect((await user.list()).items).toHaveLength(2);
  });

  it("are refused for a key, when created and when changed, and nothing of it is kept", async () => {
    const user = someone();
    await user.exchange({ api_key: "one" });
    const duplicate = refusal("ACCOUNT_DUPLICATE", "/api_key");
    await expect(user.exchange({ name: "Again", api_key: "one" })).rejects.toMatchObject(duplicate);
    const other = await user.exchange({ api_key: "two", exchange_name: "kraken" });
    await expect(user.update(other.id, { name: "New", api_key: "one" })).rejects.toMatchObject(duplicate);
    expect(await user.get(other.id)).toEqual(other);
    expect((await user.list()).items).toHaveLength(2);
    await someone().exchange({ api_key: "one" });
  });

  it("leave exactly one of many that are created at once", async () => {
    for (const create of [
      (user: ReturnType<typeof someone>) => user.wallet(),
      (user: ReturnType<typeof someone>) => user.exchange({ api_key: "same" }),
    ]) {
      const user = someone();
      const outcomes = await Promise.allSettled(Array.from({ length: 12 }, () => create(user)));
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      for (const outcome of outcomes) {
        if (outcome.status === "rejected")
          expect(outcome.reason).toMatchObject({ type: "ACCOUNT_DUPLICATE" });
      }
      expect((await user.list()).items).toHaveLength(1);
    }
  });

  it("are none once the first is deleted or has another key", async () => {
    const user = someone();
    const { id } = await user.exchange({ api_key: "one" });
    await user.update(id, { api_key: "two" });
    const { id: second } = await user.exchange({ api_key: "one" });
    await user.delete(second);
    await user.exchange({ api_key: "one" });
  });
});

describe("accounts.update", () => {
  it("changes what is given and nothing else; the version grows, updated_at changes", async () => {
    const user = someone();
    const created = await user.wallet({ enabled_chains: ["base"] });
    const renamed = await user.update(created.id, { name: "Other" });
    expect(renamed).toEqual({ ...created, name: "Other", version: 2, updated_at: expect.any(String) });
    expect(renamed.updated_at >= created.updated_at).toBe(true);
    expect(await user.update(created.id, { is_active: false })).toMatchObject({
      is_active: false,
      version: 3,
    });
    const chains = await user.update(created.id, { enabled_chains: ["ethereum"] });
    expect(chains).toMatchObject({ name: "Other", is_active: false, enabled_chains: ["ethereum"] });
    expect(await user.update(created.id, { enabled_chains: null })).not.toHaveProperty("enabled_chains");
    expect(await user.get(created.id)).toMatchObject({ name: "Other", version: 5 });
  });

  it("takes members that cannot be changed, if they are equal", async () => {
    const user = someone();
    const { id } = await user.wallet();
    const same = { account_type: "wallet", wallet_address: EVM.toLowerCase(), exchange_name: null };
    expect(await user.update(id, { ...same, name: "Renamed" })).toMatchObject({ name: "Renamed" });
    const { id: other } = await user.exchange();
    await user.update(other, { account_type: "exchange", exchange_name: "OKX", wallet_address: null });
  });

  it.each([
    ["another type", { account_type: "manual" }, "ACCOUNT_MEMBER_UNCHANGEABLE", ["/account_type"]],
    [
      "another address",
      { wallet_address: EVM.replace("5", "6") },
      "ACCOUNT_MEMBER_UNCHANGEABLE",
      ["/wallet_address"],
    ],
    ["no address", { wallet_address: null }, "ACCOUNT_MEMBER_UNCHANGEABLE", ["/wallet_address"]],
    ["another network", { exchange_name: "solana" }, "ACCOUNT_MEMBER_UNCHANGEABLE", ["/exchange_name"]],
    ["a key", { api_key: "k" }, "ACCOUNT_MEMBERS_DISAGREE", ["/api_key"]],
    ["an unknown chain", { enabled_chains: ["nowhere"] }, "UNKNOWN_CHAIN", ["/enabled_chains/0"]],
    ["no active chain", { enabled_chains: ["mantle"] }, "NO_ACTIVE_CHAIN", ["/enabled_chains"]],
    ["no name", { name: null }, "VALIDATION_FAILED", ["/name"]],
    ["a text for a flag", { is_active: "yes" }, "VALIDATION_FAILED", ["/is_active"]],
    ["a version", { version: 3 }, "VALIDATION_FAILED", ["/version"]],
  ])("refuses %s, and changes nothing", async (_, changes, type, pointers) => {
    const user = someone();
    const created = await user.wallet();
    const refused = user.update(created.id, { ...("name" in changes ? {} : { name: "New" }), ...changes });
    await expect(refused).rejects.toMatchObject(refusal(type, ...pointers));
    expect(await user.get(created.id)).toEqual(created);
  });

  it("of one version, lets one of many at once through", async () => {
    const user = someone();
    const { id } = await user.manual();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (__, index) => user.update(id, { name: `${index}`, if_match: 1 })),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected")
        expect(outcome.reason).toMatchObject({ type: "PRECONDITION_FAILED" });
    }
    expect(await user.get(id)).toMatchObject({ version: 2 });
  });
});

describe("someone else's account", () => {
  it("is answered like one that does not exist, by every action", async () => {
    const owner = someone();
    const { id } = await owner.manual();
    const before = await owner.get(id);
    const stranger = someone();
    for (const act of [
      (target: string) => stranger.get(target),
      (target: string) => stranger.update(target, { name: "Mine", account_type: "wallet" }),
      (target: string) => stranger.delete(target, { if_match: 7 }),
      (target: string) => stranger.setHoldings(target, [{ asset: "BTC", quantity: "1" }]),
    ]) {
      const [foreign, unknown] = await Promise.allSettled([act(id), act(randomUUID())]);
      expect(foreign).toMatchObject({ status: "rejected", reason: { type: "ACCOUNT_NOT_FOUND", data: {} } });
      expect(unknown).toMatchObject({ status: "rejected", reason: { type: "ACCOUNT_NOT_FOUND", data: {} } });
    }
    expect((await stranger.list()).items).toEqual([]);
    expect(await owner.get(id)).toEqual(before);
  });

  it("is out of reach of a token without the scope, or for one portfolio", async () => {
    const userId = randomUUID();
    const { id } = await services.as(userId).manual();
    const reader = services.as(userId, principalOf(userId, { scopes: ["accounts:read"] }));
    expect(await reader.get(id)).toMatchObject({ id });
    for (const refused of [
      reader.manual(),
      reader.delete(id),
      services.as(userId, principalOf(userId, { scopes: ["portfolios:read"] })).list(),
      services.as(userId, principalOf(userId, { portfolioId: randomUUID() })).get(id),
      services.as(userId, principalOf(userId, { portfolioId: randomUUID() })).list(),
    ]) {
      await expect(refused).rejects.toMatchObject({ type: "FORBIDDEN" });
    }
  });
});

describe("accounts.list", () => {
  it("answers oldest first, only the caller's, and pages without losing or repeating any", async () => {
    const userId = randomUUID();
    await services.database.query(
      `insert into accounts.accounts (id, user_id, name, account_type, created_at)
       select gen_random_uuid(), $1, 'A' || n, 'manual', timestamptz '2026-01-31 09:30:00.12+00' + (n / 3) * interval '1 ms'
       from generate_series(1, 20) n`,
      [userId],
    );
    await someone().manual();
    const user = services.as(userId);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page: Page = await user.list({ limit: 3, ...(cursor && { cursor }) });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next_cursor;
    } while (cursor);
    expect(seen).toEqual((await user.list()).items.map(({ id }) => id));
    expect(new Set(seen).size).toBe(20);
    await expect(user.list({ cursor: "nonsense" })).rejects.toMatchObject(
      refusal("VALIDATION_FAILED", "/cursor"),
    );
  });
});

describe("accounts.delete", () => {
  it("takes the account with its credentials and holdings", async () => {
    const user = someone();
    const { id } = await user.exchange({ api_key: "k", api_secret: "s" });
    await expect(user.delete(id, { if_match: 2 })).rejects.toMatchObject(refusal("PRECONDITION_FAILED"));
    await user.delete(id, { if_match: 1 });
    await expect(user.delete(id)).rejects.toMatchObject(refusal("ACCOUNT_NOT_FOUND"));
    const left = await services.database.query("select from accounts.credentials where account_id = $1", [
      id,
    ]);
    expect(left).toEqual([]);
  });
});
