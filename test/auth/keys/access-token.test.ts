import { beforeAll, describe, expect, it } from "@jest/globals";
import type { AccessToken } from "../../../services/auth/access-token.ts";
import { ALGORITHMS } from "../../../services/auth/algorithms.ts";
import { TokenRefused } from "../../../services/auth/compact-jws.ts";
import { problem, problemOf } from "../../../services/common/problem.ts";
import { AUDIENCE, createKey, fixedKeys, ISSUER, type Members } from "./tokens.ts";
import { issuersKeys, NOW_SECONDS, timelyToken as token, verifierOf } from "./verifier.ts";

const EXPIRY = NOW_SECONDS + 300;
const KEYCLOAK = { header: { typ: "JWT" }, claims: { typ: "Bearer" } };
const key = issuersKeys.ES256;
let verify: (token: string) => Promise<AccessToken>;

beforeAll(async () => {
  verify = await verifierOf();
});

describe("accessTokenVerifier", () => {
  it("answers what a token says", async () => {
    const claims = {
      sid: "session",
      jti: "token",
      email: "ada@example.test",
      email_verified: true,
      preferred_username: "ada",
      realm_access: { roles: ["user"] },
    };
    expect(await verify(token(claims))).toEqual({
      issuer: ISSUER,
      subject: "ada",
      issuedAt: NOW_SECONDS,
      expiresAt: NOW_SECONDS + 300,
      sessionId: "session",
      tokenId: "token",
      email: "ada@example.test",
      email_verified: true,
      preferred_username: "ada",
      roles: ["user"],
    });
  });

  it("leaves out what a token does not say", async () => {
    expect(await verify(token())).toEqual({
      issuer: ISSUER,
      subject: "ada",
      issuedAt: NOW_SECONDS,
      expiresAt: NOW_SECONDS + 300,
      roles: [],
    });
  });

  it.each([["RS256"], ["ES256"]] as const)("takes %s", async (algorithm) => {
    expect((await verify(token({}, {}, issuersKeys[algorithm]))).subject).toBe("ada");
  });

  it.each([["PS256"], ["EdDSA"]] as const)(
    "takes %s when it is configured, and only then",
    async (algorithm) => {
      const good = token({}, {}, issuersKeys[algorithm]);
      await expect(verify(good)).rejects.toThrow(new TokenRefused("its algorithm is not allowed"));
      const verifyAll = await verifierOf({ algorithms: ALGORITHMS });
      expect((await verifyAll(good)).subject).toBe("ada");
    },
  );

  it.each([
    ["Keycloak's profile", KEYCLOAK.header, KEYCLOAK.claims],
    ["Keycloak's profile with RFC 9068's type", { typ: "at+jwt" }, KEYCLOAK.claims],
    ["a type in capitals", { typ: "AT+JWT" }, {}],
    ["a full media type", { typ: "application/at+jwt" }, {}],
    ["no key id, when one key fits", { kid: undefined }, {}],
    ["several audiences", {}, { aud: ["account", AUDIENCE] }],
    ["an allowed party instead of an audience", {}, { aud: "account", azp: "dashboard" }],
    ["an allowed party without an audience", {}, { aud: undefined, azp: "dashboard" }],
    ["the last moment of leeway after its end", {}, { exp: NOW_SECONDS - 29, iat: NOW_SECONDS - 60 }],
    ["the first moment of leeway before its begin", {}, { nbf: NOW_SECONDS + 30 }],
    ["an issuer's clock that is ahead", {}, { iat: NOW_SECONDS + 30 }],
    ["nbf 0, as Keycloak has it", {}, { nbf: 0 }],
    ["the longest lifetime", {}, { exp: NOW_SECONDS + 86_400 }],
    ["the longest subject", {}, { sub: "s".repeat(255) }],
    [
      "a malformed e-mail",
      {},
      { email: ["ada@example.test"], email_verified: "true", preferred_username: {} },
    ],
  ])("takes %s", async (_, header, claims) => {
    expect((await verify(token(claims, header))).issuer).toBe(ISSUER);
  });

  const WRONG: readonly (readonly [string, Members, Members?])[] = [
    ["its issuer is not trusted", { iss: undefined }],
    ["its issuer is not trusted", { iss: `${ISSUER}/` }],
    ["its issuer is not trusted", { iss: [ISSUER] }],
    ["its issuer is not trusted", { iss: ISSUER.toUpperCase() }],
    ["claim sub is missing or malformed", { sub: undefined }],
    ["claim sub is missing or malformed", { sub: "" }],
    ["claim sub is missing or malformed", { sub: 1 }],
    ["claim sub is missing or malformed", { sub: ["ada"] }],
    ["claim sub is missing or malformed", { sub: "s".repeat(256) }],
    ["claim sub is missing or malformed", { sub: "a\0" }],
    ["claim sub is missing or malformed", { sub: "\ud800" }],
    ["claim exp is missing or malformed", { exp: undefined }],
    ["claim exp is missing or malformed", { exp: null }],
    ["claim exp is missing or malformed", { exp: String(EXPIRY) }],
    ["claim exp is missing or malformed", { exp: EXPIRY + 0.5 }],
    ["claim exp is missing or malformed", { exp: -1 }],
    ["claim exp is missing or malformed", { exp: 2 ** 53 }],
    ["claim iat is missing or malformed", { iat: undefined }],
    ["claim iat is missing or malformed", { iat: true }],
    ["claim iat is missing or malformed", { iat: [NOW_SECONDS] }],
    ["claim nbf is missing or malformed", { nbf: "0" }],
    ["claim nbf is missing or malformed", { nbf: null }],
    ["claim sid is missing or malformed", { sid: 1 }],
    ["claim sid is missing or malformed", { sid: "" }],
    ["claim jti is missing or malformed", { jti: { id: 1 } }],
    ["claim azp is missing or malformed", { azp: ["dashboard"] }],
    ["claim aud is missing or malformed", { aud: { [AUDIENCE]: true } }],
    ["claim aud is missing or malformed", { aud: [AUDIENCE, 1] }],
    ["claim aud is missing or malformed", { aud: Array(101).fill(AUDIENCE) }],
    ["claim typ is missing or malformed", { typ: ["Bearer"] }],
    ["not meant for us", { aud: undefined }],
    ["not meant for us", { aud: "" }],
    ["not meant for us", { aud: [] }],
    ["not meant for us", { aud: "account" }],
    ["not meant for us", { aud: `${AUDIENCE} account` }],
    ["not meant for us", { aud: AUDIENCE.slice(0, -1) }],
    ["not meant for us", { aud: "account", azp: "other" }],
    ["not meant for us", { aud: "account", azp: undefined }],
    ["expired", { exp: NOW_SECONDS - 30, iat: NOW_SECONDS - 60 }],
    ["not valid yet", { nbf: NOW_SECONDS + 31 }],
    ["issued in the future", { iat: NOW_SECONDS + 31 }],
    ["ends before it begins", { exp: NOW_SECONDS }],
    ["valid for too long", { exp: NOW_SECONDS + 86_401 }],
    ["not an access token", {}, { typ: undefined }],
    ["not an access token", {}, { typ: "" }],
    ["not an access token", {}, { typ: "JWT" }],
    ["not an access token", { typ: "ID" }, { typ: "JWT" }],
    ["not an access token", { typ: "Refresh" }, { typ: "JWT" }],
    ["not an access token", { typ: "Offline" }, { typ: "JWT" }],
    ["not an access token", { typ: "Logout" }, { typ: "JWT" }],
    ["not an access token", { typ: "DPoP" }, { typ: "JWT" }],
    ["not an access token", { typ: "bearer" }, { typ: "JWT" }],
    ["not an access token", { typ: "Bearer" }, { typ: "logout+jwt" }],
    ["not an access token", { typ: "Bearer" }, { typ: "secevent+jwt" }],
    ["not an access token", { typ: "Bearer" }, { typ: "dpop+jwt" }],
    ["not an access token", { typ: "ID" }],
    ["not an access token", { typ: "Refresh" }],
    ["not an access token", { typ: "offline" }],
    ["not an access token", { typ: "Logout" }],
    ["bound to a key, so no bearer token", { cnf: { jkt: "thumbprint" } }],
    ["its issuer has no such key", {}, { kid: "other" }],
    ["its issuer has no such key", {}, { kid: "RS256" }],
  ];

  it.each(WRONG)("refuses a token: %s (%j, %j)", async (reason, claims, header = {}) => {
    await expect(verify(token(claims, header))).rejects.toThrow(new TokenRefused(reason));
  });

  it("refuses a token without a key id when two keys fit", async () => {
    const algorithms = ["ES256"] as const;
    const two = await fixedKeys([key, createKey("ES256", "second")], algorithms);
    const verifyTwo = await verifierOf({
      issuers: [{ issuer: ISSUER, audience: AUDIENCE, keys: two }],
      algorithms,
    });
    await expect(verifyTwo(token({}, { kid: undefined }))).rejects.toThrow(
      new TokenRefused("its issuer has no such key"),
    );
    expect((await verifyTwo(token())).subject).toBe("ada");
  });

  it("refuses one issuer's token that is signed by another trusted issuer", async () => {
    const other = createKey("ES256");
    const algorithms = ["ES256"] as const;
    const verifyBoth = await verifierOf({
      algorithms,
      issuers: [
        { issuer: ISSUER, audience: AUDIENCE, keys: await fixedKeys([key], algorithms) },
        { issuer: "https://other.example", audience: "other", keys: await fixedKeys([other], algorithms) },
      ],
    });
    const claims = { iss: "https://other.example", aud: "other" };
    expect((await verifyBoth(token(claims, {}, other))).issuer).toBe("https://other.example");
    await expect(verifyBoth(token(claims, {}, key))).rejects.toThrow(TokenRefused);
    await expect(verifyBoth(token({ ...claims, aud: AUDIENCE }, {}, other))).rejects.toThrow(TokenRefused);
  });

  it("passes on that the issuer's keys cannot be had", async () => {
    const keysOfNone = { find: () => Promise.reject(problem("ISSUER_UNAVAILABLE")) };
    const verifyNone = await verifierOf({
      issuers: [{ issuer: ISSUER, audience: AUDIENCE, keys: keysOfNone }],
    });
    const error = await verifyNone(token()).catch((thrown: unknown) => thrown);
    expect(problemOf(error).code).toBe("ISSUER_UNAVAILABLE");
  });

  it("does not ask for keys because of a token that is refused anyway", async () => {
    const keysOfNone = { find: () => Promise.reject(new Error("asked")) };
    const verifyNone = await verifierOf({
      issuers: [{ issuer: ISSUER, audience: AUDIENCE, keys: keysOfNone }],
    });
    for (const [, claims, header = {}] of WRONG.slice(0, -2)) {
      await expect(verifyNone(token(claims, header))).rejects.toThrow(TokenRefused);
    }
  });
});
