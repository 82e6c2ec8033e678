import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readAccountsConfig } from "../../services/accounts/config.ts";
import { type CredentialField, credentialSeal } from "../../services/accounts/seal.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";
import { type AccountServices, newKey, startAccounts } from "./services.ts";

const [first, second] = [newKey("k1"), newKey("k2")];

let database: TestDatabase;
let services: AccountServices;
beforeAll(async () => {
  database = await cloneDatabase();
  services = await startAccounts(first, database);
});
afterAll(async () => {
  await services.stop();
  await database.drop();
});

interface Row {
  readonly field: CredentialField;
  readonly key_id: string;
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
}

const stored = (accountId: string) =>
  database.query<Row>("select * from accounts.credentials where account_id = $1 order by field", [accountId]);

/** What is stored for an account, opened with these keys. */
async function opened(accountId: string, keys: string): Promise<Record<string, string>> {
  const seal = credentialSeal(readAccountsConfig({ CREDENTIALS_KEYS: keys }).credentialsKeys);
  const rows = await stored(accountId);
  return Object.fromEntries(
    rows.map(({ field, key_id: keyId, ...row }) => [
      field,
      seal.open({ accountId, field }, { keyId, ...row }),
    ]),
  );
}

const CANARIES = { api_key: "CANARY-KEY-ü", api_secret: "CANARY-SECRET", passphrase: "CANARY-PHRASE" };

describe("credentials", () => {
  it("are stored sealed, each under a nonce of its own, and open with the key", async () => {
    const user = services.as(randomUUID());
    const { id } = await user.exchange({ ...CANARIES, api_secret: CANARIES.passphrase });
    const rows = await stored(id);
    expect(rows.map(({ field, key_id }) => [field, key_id])).toEqual([
      ["api_key", "k1"],
      ["api_secret", "k1"],
      ["passphrase", "k1"],
    ]);
    const nonces = new Set(rows.map(({ nonce }) => nonce.toString("hex")));
    const texts = new Set(rows.map(({ ciphertext }) => ciphertext.toString("hex")));
    expect([nonces.size, texts.size]).toEqual([3, 3]);
    expect(await opened(id, first)).toEqual({ ...CANARIES, api_secret: CANARIES.passphrase });
  });

  it("are in no answer, and in no column of any table as they came", async () => {
    const userId = randomUUID();
    const user = services.as(userId);
    const created = await user.exchange(CANARIES);
    const { id } = created;
    const replies = [
      created,
      await user.get(id),
      await user.list(),
      await user.update(id, { name: "Renamed", ...CANARIES }),
      await services.callAs(undefined, "accounts.holdings", { user_id: userId, account_ids: [id] }),
      await services.callAs(undefined, "accounts.exportUser", { user_id: userId }),
      ...(await Promise.allSettled([
        user.exchange(CANARIES),
        user.create({ ...CANARIES, account_type: "manual", name: "M" }),
        user.create({ ...CANARIES, account_type: "exchange", name: "" }),
        user.create({ CANARY: "x", api_key: ["CANARY"], api_secret: "CANARY\0", account_type: "exchange" }),
      ]).then((outcomes) =>
        outcomes.map((outcome) => {
          if (outcome.status === "fulfilled") throw new Error("It should have been refused.");
          return outcome.reason.data;
        }),
      )),
    ];
    const text = JSON.stringify(replies).replace("/CANARY", "").replace("/CANARY", "");
    expect(text).not.toMatch(/CANARY|fingerprint|ciphertext|nonce/);
    for (const table of ["accounts", "credentials", "holdings"]) {
      const rows = await database.query(
        `select 1 from accounts.${table} t where t::text like '%CANARY%' or t::text like '%' || encode('CANARY', 'hex') || '%'`,
      );
      expect(rows).toEqual([]);
    }
  });

  it("are changed one by one: text replaces, null takes away, what is left out stays", async () => {
    const user = services.as(randomUUID());
    const { id } = await user.exchange(CANARIES);
    await user.update(id, { api_secret: "new", passphrase: null });
    expect(await opened(id, first)).toEqual({ api_key: CANARIES.api_key, api_secret: "new" });
    await user.update(id, { passphrase: "again" });
    expect(await opened(id, first)).toEqual({
      api_key: CANARIES.api_key,
      api_secret: "new",
      passphrase: "again",
    });
  });

  it("are sealed anew with the first key when their account is written, and open with it alone", async () => {
    const userId = randomUUID();
    const { id } = await services.as(userId).exchange(CANARIES);
    const { id: other } = await services.as(userId).exchange({ api_key: "other" });
    const rotated = await startAccounts(`${second},${first}`, database);
    try {
      const user = rotated.as(userId);
      await user.get(id);
      expect((await stored(id)).map(({ key_id }) => key_id)).toEqual(["k1", "k1", "k1"]);
      await expect(user.exchange({ api_key: CANARIES.api_key })).rejects.toMatchObject({
        type: "ACCOUNT_DUPLICATE",
      });
      await user.update(id, { api_secret: "new" });
      expect((await stored(id)).map(({ key_id }) => key_id)).toEqual(["k2", "k2", "k2"]);
      expect(await opened(id, second)).toEqual({ ...CANARIES, api_secret: "new" });
      expect((await stored(other)).map(({ key_id }) => key_id)).toEqual(["k1"]);
      await user.update(other, { name: "Renamed" });
      expect(await opened(other, second)).toEqual({ api_key: "other" });
    } finally {
      await rotated.stop();
    }
  });

  it("do not keep an account from being changed whose key is gone", async () => {
    const userId = randomUUID();
    const { id } = await services.as(userId).exchange(CANARIES);
    const rotated = await startAccounts(second, database);
    try {
      expect(await rotated.as(userId).update(id, { name: "Renamed" })).toMatchObject({ name: "Renamed" });
      expect((await stored(id)).map(({ key_id }) => key_id)).toEqual(["k1", "k1", "k1"]);
      await rotated.as(userId).update(id, CANARIES);
      expect(await opened(id, second)).toEqual(CANARIES);
    } finally {
      await rotated.stop();
    }
  });
});

describe("a sealed credential", () => {
  const keys = (text: string) => readAccountsConfig({ CREDENTIALS_KEYS: text }).credentialsKeys;
  const place = { accountId: randomUUID(), field: "api_key" } as const;

  it("opens at its own place only, with its own key, untouched", () => {
    const seal = credentialSeal(keys(first));
    const sealed = seal.seal(place, "CANARY");
    expect(seal.open(place, sealed)).toBe("CANARY");
    const spoiled = (bytes: Buffer, at: number) => {
      const copy = Buffer.from(bytes);
      copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
      return copy;
    };
    const { ciphertext, nonce } = sealed;
    for (const attempt of [
      () => seal.open({ ...place, accountId: randomUUID() }, sealed),
      () => seal.open({ ...place, field: "api_secret" }, sealed),
      () => seal.open(place, { ...sealed, ciphertext: spoiled(ciphertext, 0) }),
      () => seal.open(place, { ...sealed, ciphertext: spoiled(ciphertext, ciphertext.length - 1) }),
      () => seal.open(place, { ...sealed, ciphertext: ciphertext.subarray(0, -1) }),
      () => seal.open(place, { ...sealed, nonce: spoiled(nonce, 3) }),
      () => seal.open(place, { ...sealed, keyId: "k9" }),
      () => credentialSeal(keys(newKey("k1"))).open(place, sealed),
    ]) {
      expect(attempt).toThrow();
      expect(attempt).not.toThrow("CANARY");
    }
  });
});

describe("CREDENTIALS_KEYS", () => {
  const read = (CREDENTIALS_KEYS?: string) => () => readAccountsConfig({ CREDENTIALS_KEYS });
  const key = (bytes: number) => Buffer.alloc(bytes, 7).toString("base64");

  it("takes several keys, and shows none of them", () => {
    const { credentialsKeys } = read(`${first}, ${second}`)();
    expect(credentialsKeys.map(({ id }) => id)).toEqual(["k1", "k2"]);
    expect(JSON.stringify(credentialsKeys)).not.toContain(first.slice(3, 20));
  });

  it.each([
    ["nothing", undefined],
    ["no id", key(32)],
    ["an empty id", `:${key(32)}`],
    ["31 bytes", `a:${key(31)}`],
    ["33 bytes", `a:${key(33)}`],
    ["base64 with an odd last character", `a:${key(32).replace("c=", "d=")}`],
    ["one id twice", `a:${key(32)},a:${key(32)}`],
    ["an empty entry", `a:${key(32)},`],
    ["too many", Array.from({ length: 11 }, (_, index) => `k${index}:${key(32)}`).join()],
  ])("refuses %s, without showing it", (_, text) => {
    expect(read(text)).toThrow(/^CREDENTIALS_KEYS (is not set: )?must be a comma separated list/);
    expect(read(text)).not.toThrow(key(30).slice(0, 20));
  });
});
