import { beforeAll, describe, expect, it } from "@jest/globals";
import { accessTokenVerifier } from "../../../services/auth/access-token.ts";
import { TokenRefused } from "../../../services/auth/compact-jws.ts";
import { type LogoutToken, logoutTokenVerifier } from "../../../services/auth/logout-token.ts";
import type { TrustedIssuer } from "../../../services/auth/signature.ts";
import { AUDIENCE, createKey, fixedKeys, ISSUER, type Members, tokenOf } from "./tokens.ts";

const NOW_SECONDS = 1_800_000_000;
const EVENT = "http://schemas.openid.net/event/backchannel-logout";
const now = () => NOW_SECONDS * 1000;
const algorithms = ["RS256", "ES256"] as const;

const key = createKey("RS256");
let issuers: readonly TrustedIssuer[];
let verify: (token: string) => Promise<LogoutToken>;

const token = (claims: Members = {}, header: Members = {}, by = key) =>
  tokenOf(by, {
    header: { typ: "logout+jwt", ...header },
    claims: {
      sid: "session",
      jti: "token",
      iat: NOW_SECONDS,
      exp: NOW_SECONDS + 120,
      events: { [EVENT]: {} },
      ...claims,
    },
  });

beforeAll(async () => {
  issuers = [{ issuer: ISSUER, audience: AUDIENCE, keys: await fixedKeys([key], algorithms) }];
  verify = logoutTokenVerifier({ issuers, algorithms, clientId: "butler", now });
});

describe("logoutTokenVerifier", () => {
  it("answers whose session has ended, and how long the token's id must be kept", async () => {
    expect(await verify(token())).toEqual({
      issuer: ISSUER,
      subject: "ada",
      sessionId: "session",
      tokenId: "token",
      expiresAt: NOW_SECONDS + 150,
    });
  });

  it.each<readonly [string, Members, Members?]>([
    ["as Keycloak sends it since version 25", { typ: "Logout", aud: "butler", events: { [EVENT]: {} } }],
    [
      "as Keycloak sends it when offline tokens end too",
      { typ: "Logout", aud: "butler", events: { [EVENT]: {}, revoke_offline_access: true } },
    ],
    ["as Keycloak 23 sent it", { typ: "Logout", aud: "butler", exp: undefined }, { typ: "JWT" }],
    ["without a type", {}, { typ: undefined }],
    ["for the audience of access tokens", { aud: [AUDIENCE] }],
    ["of a subject only", { sid: undefined }],
    ["of a session only", { sub: undefined }],
  ])("takes a token %s", async (_, claims, header = {}) => {
    expect((await verify(token(claims, header))).tokenId).toBe("token");
  });

  it("gives a token without an end two minutes", async () => {
    const claims = { exp: undefined };
    expect((await verify(token(claims))).expiresAt).toBe(NOW_SECONDS + 150);
    await expect(verify(token({ ...claims, iat: NOW_SECONDS - 149 }))).resolves.toBeDefined();
    await expect(verify(token({ ...claims, iat: NOW_SECONDS - 150 }))).rejects.toThrow(
      new TokenRefused("expired"),
    );
  });

  it.each<readonly [string, Members, Members?]>([
    ["its issuer is not trusted", { iss: "https://other.example" }],
    ["not meant for us", { aud: "account" }],
    ["not meant for us", { aud: undefined }],
    ["claim jti is missing or malformed", { jti: undefined }],
    ["claim jti is missing or malformed", { jti: "" }],
    ["claim iat is missing or malformed", { iat: undefined }],
    ["claim exp is missing or malformed", { exp: "never" }],
    ["claim sub is missing or malformed", { sub: "" }],
    ["claim sid is missing or malformed", { sid: ["session"] }],
    ["names neither a subject nor a session", { sub: undefined, sid: undefined }],
    ["does not tell of a logout", { events: undefined }],
    ["does not tell of a logout", { events: null }],
    ["does not tell of a logout", { events: EVENT }],
    ["does not tell of a logout", { events: [EVENT] }],
    ["does not tell of a logout", { events: {} }],
    ["does not tell of a logout", { events: { [EVENT]: true } }],
    ["does not tell of a logout", { events: { [EVENT]: null } }],
    ["does not tell of a logout", { events: { [EVENT]: [] } }],
    ["does not tell of a logout", { events: { [`${EVENT}/`]: {} } }],
    ["has a nonce, as ID tokens do", { nonce: "nonce" }],
    ["has a nonce, as ID tokens do", { nonce: null }],
    ["expired", { iat: NOW_SECONDS - 200, exp: NOW_SECONDS - 30 }],
    ["issued in the future", { iat: NOW_SECONDS + 31 }],
    ["valid for too long", { exp: NOW_SECONDS + 3_601 }],
    ["not a logout token", {}, { typ: "at+jwt" }],
    ["not a logout token", {}, { typ: "secevent+jwt" }],
    ["not a logout token", { typ: "Bearer" }],
    ["not a logout token", { typ: "ID" }, { typ: "JWT" }],
    ["not a logout token", { typ: "Bearer" }, { typ: "JWT" }],
    ["its issuer has no such key", {}, { kid: "other" }],
    ["header parameter jku is not accepted", {}, { jku: "https://evil.example" }],
  ])("refuses a token: %s (%j, %j)", async (reason, claims, header = {}) => {
    await expect(verify(token(claims, header))).rejects.toThrow(new TokenRefused(reason));
  });

  it("refuses a token of another key", async () => {
    await expect(verify(token({}, {}, createKey("RS256")))).rejects.toThrow(
      new TokenRefused("its signature does not verify"),
    );
  });

  it("takes no access token, and no logout token is an access token", async () => {
    const verifyAccess = accessTokenVerifier({
      issuers,
      algorithms,
      authorizedParties: [],
      maxLifetimeSeconds: 86_400,
      rolesClaim: "realm_access.roles",
      now,
    });
    const times = { iat: NOW_SECONDS, exp: NOW_SECONDS + 120 };
    const access = tokenOf(key, { claims: { ...times, jti: "token" } });
    expect((await verifyAccess(access)).subject).toBe("ada");
    await expect(verify(access)).rejects.toThrow(TokenRefused);
    for (const header of [{}, { typ: "JWT" }, { typ: undefined }]) {
      await expect(verifyAccess(token({}, header))).rejects.toThrow(TokenRefused);
      await expect(verifyAccess(token({ typ: "Logout" }, header))).rejects.toThrow(TokenRefused);
    }
  });
});
