import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { ALGORITHMS } from "../../../services/auth/algorithms.ts";
import { readKeySet } from "../../../services/auth/key-set.ts";
import { createKey, type Members } from "./tokens.ts";

const rsa = createKey("RS256");
const ec = createKey("ES256");
const ed = createKey("EdDSA");
const read = (...keys: readonly unknown[]) => readKeySet({ keys }, ALGORITHMS);

const rsaOf = (modulusLength: number, publicExponent = 65_537): Members => ({
  ...generateKeyPairSync("rsa", { modulusLength, publicExponent }).publicKey.export({ format: "jwk" }),
  kid: "odd",
});

describe("readKeySet", () => {
  it("finds each key by its id and its algorithm", async () => {
    const { keySet, skipped } = await read(rsa.jwk, ec.jwk, ed.jwk);
    expect(skipped).toEqual([]);
    expect(keySet.find("RS256", "RS256")).toHaveLength(1);
    expect(keySet.find("ES256", "ES256")).toHaveLength(1);
    expect(keySet.find("EdDSA", "EdDSA")).toHaveLength(1);
    expect(keySet.find("ES256", "RS256")).toEqual([]);
    expect(keySet.find("PS256", "RS256")).toEqual([]);
    expect(keySet.find("RS256", "other")).toEqual([]);
    expect(keySet.hasId("RS256")).toBe(true);
    expect(keySet.hasId("other")).toBe(false);
  });

  const symmetric = { kty: "oct", k: "c2VjcmV0", kid: "odd", alg: "RS256" };
  const wrong: readonly (readonly [string, unknown])[] = [
    ["no object", null],
    ["no object", "key"],
    ["no object", [rsa.jwk]],
    ["has private members", rsa.privateKey.export({ format: "jwk" })],
    ["has private members", ec.privateKey.export({ format: "jwk" })],
    ["has private members", { ...rsa.jwk, d: "" }],
    ["has private members", symmetric],
    ["its kty is not usable", { kty: "AKP", alg: "ML-DSA-44", pub: "AAAA" }],
    ["its kty is not usable", {}],
    ["its use is not usable", { ...rsa.jwk, use: "enc" }],
    ["its use is not usable", { ...rsa.jwk, use: ["sig"] }],
    ["its key_ops leave out verify", { ...rsa.jwk, key_ops: ["encrypt"] }],
    ["its key_ops leave out verify", { ...rsa.jwk, key_ops: [] }],
    ["its key_ops is not usable", { ...rsa.jwk, key_ops: "verify" }],
    ["its kid is not usable", { ...rsa.jwk, kid: 1 }],
    ["its kid is not usable", { ...rsa.jwk, kid: "k".repeat(256) }],
    ["none of the allowed algorithms", { ...rsa.jwk, alg: "RSA-OAEP" }],
    ["none of the allowed algorithms", { ...rsa.jwk, alg: "RS512" }],
    ["none of the allowed algorithms", { ...rsa.jwk, alg: "ES256" }],
    ["none of the allowed algorithms", { ...rsa.jwk, alg: "HS256" }],
    ["its crv is not usable", { ...ec.jwk, crv: "P-384" }],
    ["its crv is not usable", { ...ed.jwk, crv: "X25519" }],
    ["its x is not usable", { ...ec.jwk, x: undefined }],
    ["its n is not usable", { ...rsa.jwk, n: "not base64url!" }],
    ["its n is not usable", { ...rsa.jwk, n: "A".repeat(2_001) }],
    ["its modulus is shorter than 2048 bits", rsaOf(1024)],
    ["its modulus is shorter than 2048 bits", rsaOf(2040)],
    ["its modulus is shorter than 2048 bits", { ...rsa.jwk, n: "A".repeat(1_000) }],
    ["its modulus is longer than 8192 bits", { ...rsa.jwk, n: `AQ${"A".repeat(1_400)}` }],
    ["its exponent is not safe", { ...rsa.jwk, e: "AQ" }],
    ["its exponent is not safe", { ...rsa.jwk, e: "AAE" }],
    ["its exponent is not safe", { ...rsa.jwk, e: "AA" }],
    ["its exponent is not safe", { ...rsa.jwk, e: "AQAA" }],
    ["its exponent is not safe", { ...rsa.jwk, e: "AQAAAAAB" }],
    ["no valid key of its type", { ...ec.jwk, x: "AAAA" }],
    ["no valid key of its type", { ...ec.jwk, y: ec.jwk.x }],
    ["no valid key of its type", { ...ed.jwk, x: "AAAA" }],
  ];

  it.each(wrong)("skips a key: %s", async (reason, key) => {
    const { keySet, skipped } = await read(key);
    expect(skipped).toEqual([reason]);
    expect(keySet.jwks).toEqual([]);
  });

  it("uses the good keys of a set in spite of the others", async () => {
    const { keySet, skipped } = await read(...wrong.map(([, key]) => key), rsa.jwk);
    expect(skipped).toHaveLength(wrong.length);
    expect(keySet.find("RS256", "RS256")).toHaveLength(1);
  });

  it("takes keys that say little of themselves, and those with zeros before the modulus", async () => {
    const { n } = rsa.jwk as { n: string };
    const padded = Buffer.concat([Buffer.from([0]), Buffer.from(n, "base64url")]).toString("base64url");
    const bare = { kty: "RSA", n: padded, e: "AQAB", kid: "bare", key_ops: ["verify"], x5t: "x", ext: "?" };
    const { keySet, skipped } = await read(bare, { ...rsaOf(2048, 3), kid: "three" });
    expect(skipped).toEqual([]);
    expect(keySet.find("RS256", "bare")).toHaveLength(1);
    expect(keySet.find("RS256", "three")).toHaveLength(1);
  });

  it("gives a key that names no algorithm the first that fits, and only that", async () => {
    const key = { ...rsa.jwk, alg: undefined };
    const first = await readKeySet({ keys: [key] }, ["ES256", "RS256", "PS256"]);
    expect(first.keySet.find("RS256", "RS256")).toHaveLength(1);
    expect(first.keySet.find("PS256", "RS256")).toEqual([]);
    const second = await readKeySet({ keys: [key] }, ["PS256", "RS256"]);
    expect(second.keySet.find("RS256", "RS256")).toEqual([]);
    expect(second.keySet.find("PS256", "RS256")).toHaveLength(1);
  });

  it("tries up to three keys of the same id, and the same key once", async () => {
    const same = Array.from({ length: 4 }, () => createKey("ES256", "same").jwk);
    expect((await read(...same.slice(0, 2))).keySet.find("ES256", "same")).toHaveLength(2);
    expect((await read(...same)).keySet.find("ES256", "same")).toHaveLength(3);
    expect((await read(ec.jwk, ec.jwk)).keySet.find("ES256", "ES256")).toHaveLength(1);
  });

  it("tells keys of the same id apart by their algorithm", async () => {
    const { keySet } = await read({ ...rsa.jwk, kid: "same" }, { ...ec.jwk, kid: "same" });
    expect(keySet.find("RS256", "same")).toHaveLength(1);
    expect(keySet.find("ES256", "same")).toHaveLength(1);
  });

  it("finds a key without an id only when it is the only one for the algorithm", async () => {
    const { keySet } = await read(rsa.jwk, createKey("ES256", "a").jwk, createKey("ES256", "b").jwk);
    expect(keySet.find("RS256", undefined)).toHaveLength(1);
    expect(keySet.find("ES256", undefined)).toEqual([]);
    expect(keySet.find("EdDSA", undefined)).toEqual([]);
  });

  it("looks at a hundred keys and no further", async () => {
    const many = Array.from({ length: 101 }, (_, index) => ({ ...ec.jwk, kid: `key-${index}` }));
    const { keySet, skipped } = await read(...many);
    expect(skipped).toEqual(["1 beyond 100"]);
    expect(keySet.hasId("key-99")).toBe(true);
    expect(keySet.hasId("key-100")).toBe(false);
  });

  it("keeps of a key only what it needs", async () => {
    const { keySet } = await read({ ...ec.jwk, x5c: ["certificate"], "https://issuer.example/owner": "ada" });
    const { kty, crv, x, y } = ec.jwk;
    expect(keySet.jwks).toEqual([{ kty, crv, x, y, alg: "ES256", kid: "ES256" }]);
  });

  it.each([[undefined], [null], [{}], [{ keys: {} }], [{ keys: null }], ["keys"]])(
    "refuses %j as a whole",
    async (document) => {
      await expect(readKeySet(document, ALGORITHMS)).rejects.toThrow("The key set has no list of keys.");
    },
  );

  it("takes an issuer's word that it has no keys", async () => {
    expect((await read()).keySet.jwks).toEqual([]);
  });
});
