import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { type AccessToken, accessTokenVerifier } from "../../../services/auth/access-token.ts";
import { ALGORITHMS } from "../../../services/auth/algorithms.ts";
import { systemClock } from "../../../services/auth/clock.ts";
import { TokenRefused } from "../../../services/auth/compact-jws.ts";
import { keyFetch } from "../../../services/auth/key-fetch.ts";
import { KeySource } from "../../../services/auth/key-source.ts";
import { logoutTokenVerifier } from "../../../services/auth/logout-token.ts";
import type { TrustedIssuer } from "../../../services/auth/signature.ts";
import { type MisbehavingIssuer, startMisbehavingIssuer } from "../../support/misbehaving-issuer.ts";
import { forgeryOf } from "./forgeries/forgery.ts";
import type { Original } from "./forgeries/original.ts";
import { otherSpelling } from "./forgeries/signature.ts";
import { AUDIENCE, createKey, tokenOf } from "./tokens.ts";

const FORGERIES = 10_000;
const COOLDOWN_MS = 10_000;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const keys = ALGORITHMS.map((each) => createKey(each));

let issuer: MisbehavingIssuer;
let source: KeySource;
let issuers: readonly TrustedIssuer[];
let verify: (token: string) => Promise<AccessToken>;

beforeAll(async () => {
  issuer = await startMisbehavingIssuer();
  issuer.publish(...keys.map(({ jwk }) => jwk));
  source = new KeySource({
    issuer: issuer.url,
    algorithms: ALGORITHMS,
    fetchKeys: keyFetch({ issuer: issuer.url, keyOrigins: [], now: Date.now }),
    store: { load: async () => undefined, save: async () => undefined },
    metrics: { watch: () => undefined, fetched: () => undefined },
    log: silent,
    clock: systemClock,
  });
  issuers = [{ issuer: issuer.url, audience: AUDIENCE, keys: source }];
  verify = accessTokenVerifier({
    issuers,
    algorithms: ALGORITHMS,
    authorizedParties: [],
    maxLifetimeSeconds: 86_400,
    rolesClaim: "realm_access.roles",
  });
});

afterAll(async () => {
  await source.close();
  await issuer.stop();
});

/** Good tokens of every algorithm and both profiles. */
function originals(): Original[] {
  const claims = { iss: issuer.url, jti: "token", sid: "session", realm_access: { roles: ["user"] } };
  return keys.flatMap((key) => [
    { key, token: tokenOf(key, { claims }) },
    {
      key,
      token: tokenOf(key, { header: { typ: "JWT" }, claims: { ...claims, typ: "Bearer", azp: "web" } }),
    },
  ]);
}

describe("forged access tokens", () => {
  it(`are refused, ${FORGERIES} of them, each as a bad token and nothing else`, async () => {
    const startedAtMs = Date.now();
    const good = originals();
    await fc.assert(
      fc.asyncProperty(forgeryOf(good), async (forgery) => {
        await expect(verify(forgery)).rejects.toBeInstanceOf(TokenRefused);
      }),
      { numRuns: FORGERIES },
    );
    for (const { token } of good) expect((await verify(token)).subject).toBe("ada");
    const cooldowns = 1 + Math.floor((Date.now() - startedAtMs) / COOLDOWN_MS);
    expect(issuer.fetches()).toBeLessThanOrEqual(1 + cooldowns);
  }, 120_000);

  it("are no logout tokens either", async () => {
    const verifyLogout = logoutTokenVerifier({ issuers, algorithms: ALGORITHMS });
    await fc.assert(
      fc.asyncProperty(forgeryOf(originals()), async (forgery) => {
        await expect(verifyLogout(forgery)).rejects.toBeInstanceOf(TokenRefused);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("the two spellings of an ES256 signature", () => {
  it("are the same token to whoever goes by its claims", async () => {
    const claims = { iss: issuer.url, jti: "token" };
    const token = tokenOf(keys[ALGORITHMS.indexOf("ES256")] as (typeof keys)[0], { claims });
    expect(otherSpelling(token)).not.toBe(token);
    expect(await verify(otherSpelling(token))).toEqual(await verify(token));
  });
});
