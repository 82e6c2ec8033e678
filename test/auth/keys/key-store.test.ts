import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { type AccessToken, accessTokenVerifier } from "../../../services/auth/access-token.ts";
import { TokenRefused } from "../../../services/auth/compact-jws.ts";
import { type OpenIssuers, openIssuers } from "../../../services/auth/issuer-keys.ts";
import { collectKeyMetrics, keyMetrics } from "../../../services/auth/key-metrics.ts";
import { keyStore } from "../../../services/auth/key-store.ts";
import { migrations } from "../../../services/auth/migrations/index.ts";
import type { PublicJwk } from "../../../services/auth/public-jwk.ts";
import { readDatabaseSettings } from "../../../services/common/database/config.ts";
import { type Database, openDatabase } from "../../../services/common/database/database.ts";
import { problemOf } from "../../../services/common/problem.ts";
import { cloneDatabase, type TestDatabase } from "../../support/database.ts";
import { type MisbehavingIssuer, startMisbehavingIssuer } from "../../support/misbehaving-issuer.ts";
import { AUDIENCE, createKey, type SigningKey, tokenOf } from "./tokens.ts";

const algorithms = ["RS256", "ES256"] as const;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const key = createKey("ES256");

let testDatabase: TestDatabase;
let database: Database;
let issuer: MisbehavingIssuer;

beforeAll(async () => {
  testDatabase = await cloneDatabase();
  const settings = readDatabaseSettings("auth", {
    DATABASE_URL: testDatabase.url,
    DB_MAX_CONNECTIONS: "3",
    DB_MIN_CONNECTIONS: "1",
    MIGRATE_ON_START: "true",
  });
  database = await openDatabase({ settings, entities: [], migrations, log: silent });
});

afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

describe("keyStore", () => {
  const keys = [{ kty: "OKP", crv: "Ed25519", x: "AAAA", alg: "EdDSA", kid: "k" }] satisfies PublicJwk[];

  it("knows nothing of an issuer that was never fetched", async () => {
    expect(await keyStore(database.pool).load("https://never.example")).toBeUndefined();
  });

  it("keeps the set that was fetched last, to the millisecond", async () => {
    const store = keyStore(database.pool);
    await store.save("https://a.example", { keys, fetchedAtMs: 1_800_000_000_123 });
    await store.save("https://a.example", { keys: [], fetchedAtMs: 1_800_000_000_122 });
    expect(await store.load("https://a.example")).toEqual({ keys, fetchedAtMs: 1_800_000_000_123 });
    await store.save("https://a.example", { keys: [], fetchedAtMs: 1_800_000_000_124 });
    expect(await store.load("https://a.example")).toEqual({ keys: [], fetchedAtMs: 1_800_000_000_124 });
  });
});

describe("openIssuers", () => {
  const opened: OpenIssuers[] = [];

  /** A replica: its check of tokens, with keys of its own. */
  async function start(url = issuer.url): Promise<(token: string) => Promise<AccessToken>> {
    const issuers = await openIssuers({
      issuers: [{ issuer: url, audience: AUDIENCE }],
      algorithms,
      keyOrigins: [],
      pool: database.pool,
      log: silent,
    });
    opened.push(issuers);
    return accessTokenVerifier({
      issuers: issuers.issuers,
      algorithms,
      authorizedParties: [],
      maxLifetimeSeconds: 86_400,
      rolesClaim: "realm_access.roles",
    });
  }

  async function stopAll(): Promise<void> {
    await Promise.all(opened.splice(0).map(({ close }) => close()));
  }

  const token = (by: SigningKey = key) => tokenOf(by, { claims: { iss: issuer.url } });

  beforeEach(async () => {
    issuer = await startMisbehavingIssuer();
    issuer.publish(key.jwk);
  });

  afterEach(async () => {
    await stopAll();
    await issuer.stop();
  });

  it("takes a good token, with one fetch", async () => {
    const verify = await start();
    expect((await Promise.all([verify(token()), verify(token())])).map(({ subject }) => subject)).toEqual([
      "ada",
      "ada",
    ]);
    expect(issuer.fetches()).toBe(1);
  });

  it("starts while the issuer is down, and says so until it is up", async () => {
    issuer.misbehave("fails");
    const verify = await start();
    const error = await verify(token()).catch((thrown: unknown) => thrown);
    expect(problemOf(error).code).toBe("ISSUER_UNAVAILABLE");
  });

  it("takes good tokens after a restart while the issuer is down", async () => {
    await (await start())(token());
    await untilStored();
    await stopAll();
    await issuer.stop();
    const verify = await start();
    expect((await verify(token())).subject).toBe("ada");
    await expect(verify(token(createKey("ES256")))).rejects.toThrow(TokenRefused);
  });

  it("stores nothing but public keys that are in use", async () => {
    const leaked = createKey("ES256", "leaked");
    issuer.publish(
      leaked.privateKey.export({ format: "jwk" }),
      { ...key.jwk, use: "enc", kid: "enc" },
      key.jwk,
    );
    await (await start())(token());
    const [row] = await untilStored();
    const { kty, crv, x, y, alg, kid } = key.jwk;
    expect(row?.keys).toEqual([{ kty, crv, x, y, alg, kid }]);
  });

  it("takes tokens of a new key, all with one more fetch", async () => {
    const verify = await start();
    await verify(token());
    const next = createKey("RS256", "next");
    issuer.publish(key.jwk, next.jwk);
    await Promise.all(Array.from({ length: 30 }, (_, index) => verify(token(index % 2 ? key : next))));
    expect(issuer.fetches()).toBe(2);
  });

  it("tells how old its keys are, and how fetches went", async () => {
    await (await start())(token());
    collectKeyMetrics();
    const [age, fetches] = keyMetrics.map((metric) => (metric as unknown as { get(): Metric }).get());
    const issuerLabels = { issuer: new URL(issuer.url).host, index: "0" };
    expect(age?.values).toContainEqual({ labels: issuerLabels, value: expect.any(Number) });
    expect(fetches?.values).toContainEqual({ labels: { ...issuerLabels, outcome: "ok" }, value: 1 });
    expect(fetches?.values).toContainEqual({ labels: { ...issuerLabels, outcome: "failed" }, value: 0 });
  });

  interface Metric {
    readonly values: readonly { readonly labels: object; readonly value: number }[];
  }

  /** The set is stored beside the answers that it makes possible. */
  async function untilStored(): Promise<{ keys: unknown }[]> {
    for (;;) {
      const sql = "select keys from auth.key_sets where issuer = $1";
      const rows = await testDatabase.query<{ keys: unknown }>(sql, [issuer.url]);
      if (rows.length > 0) return rows;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
});
