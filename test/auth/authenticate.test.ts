import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AUDIENCE, startIssuer, type TestIssuer } from "../support/issuer.ts";
import { badTokens, KEYCLOAK_HEADER, now, type TokenMaker, tokenMaker } from "./bad-tokens.ts";
import { type AuthUnderTest, startAuth } from "./service.ts";

let issuer: TestIssuer;
let other: TestIssuer;
let by: TokenMaker;
let auth: AuthUnderTest;
const tokens: string[] = [];

beforeAll(async () => {
  [issuer, other] = await Promise.all([startIssuer(), startIssuer()]);
  by = tokenMaker(issuer, other);
  auth = await startAuth([issuer]);
});
afterAll(() => Promise.all([auth.stop(), issuer.stop(), other.stop()]));

describe("auth.authenticate", () => {
  it.each(Object.keys(badTokens))("refuses %s, and logs why without the token", async (name) => {
    const token = (await badTokens[name]?.(by)) as string;
    tokens.push(token);
    const before = auth.logged.length;
    await expect(auth.authenticate(token)).rejects.toMatchObject({ type: "UNAUTHENTICATED", data: {} });
    const refusals = auth.logged.slice(before).filter(({ message }) => message === "Access token refused.");
    expect(refusals).toMatchObject([
      { requestId: expect.any(String), reason: expect.stringMatching(/^.{5,200}$/) },
    ]);
  });

  it("refuses what is longer than 8 KiB unread", async () => {
    await expect(auth.authenticate(await by.good({ long: "a".repeat(8192) }))).rejects.toMatchObject({
      type: "VALIDATION_FAILED",
    });
  });

  it("asks `users` about none of them, and writes no part of them into the log", () => {
    expect(auth.resolved).toEqual([]);
    const parts = tokens.flatMap((token) => token.split(".")).filter((part) => part.length > 10);
    expect(parts.length).toBeGreaterThan(100);
    const log = auth.log();
    for (const part of parts) expect(log).not.toContain(part);
    expect(log).not.toContain("eyJ");
  });

  it("answers whose token it is (RFC 9068)", async () => {
    const [iat, exp] = [now() - 5, now() + 600];
    const email = { email: "a@mail.example", email_verified: true, preferred_username: "al" };
    const principal = await auth.authenticate(await by.good({ iat, exp, ...email }));
    expect(principal).toMatchObject({
      userId: expect.any(String),
      subject: "alice",
      issuer: issuer.url,
      roles: [],
      scopes: "all",
      expiresAt: exp,
    });
    expect(auth.resolved.at(-1)).toEqual({
      issuer: issuer.url,
      subject: "alice",
      profile: email,
      checked_at: expect.stringMatching(/^20\d\d-.*Z$/),
    });
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ["application/at+jwt", {}, { typ: "application/at+jwt" }],
    ["AT+JWT", {}, { typ: "AT+JWT" }],
    ["Keycloak's form", { typ: "Bearer" }, KEYCLOAK_HEADER],
    ["several audiences", { aud: ["account", AUDIENCE] }, {}],
    ["a life of just a day", { exp: now() + 86_400 }, {}],
    ["an end within the leeway", { iat: now() - 100, exp: now() - 10 }, {}],
    ["a start within the leeway", { nbf: now() + 10 }, {}],
    ["an issue within the leeway", { iat: now() + 10 }, {}],
    ["a subject of 255 characters", { sub: "s".repeat(255) }, {}],
  ])("takes %s", async (_, claims, header) => {
    const token = await by.good(claims, header);
    expect(await auth.authenticate(token)).toMatchObject({
      subject: claims.sub ?? "alice",
      issuer: issuer.url,
    });
  });

  it.each<[string, unknown, string[]]>([
    ["as they should be", { roles: ["administrator", "user"] }, ["administrator", "user"]],
    ["missing", undefined, []],
    ["null", null, []],
    ["text", "administrator", []],
    ["a list", ["administrator"], []],
    ["text inside", { roles: "administrator" }, []],
    ["an object inside", { roles: { administrator: true } }, []],
    ["of mixed kinds", { roles: ["user", 5, null, { a: 1 }, ["administrator"]] }, ["user"]],
    ["with one that is too long", { roles: ["user", "r".repeat(101)] }, ["user"]],
  ])("takes a token whose roles are %s", async (_, realm_access, roles) => {
    expect(await auth.authenticate(await by.good({ realm_access }))).toMatchObject({ roles });
  });

  it("takes the first of very many roles", async () => {
    const roles = Array.from({ length: 1_000 }, (_, index) => `${index % 10}`);
    const principal = await auth.authenticate(await by.good({ realm_access: { roles } }));
    expect(principal.roles.length).toBeLessThanOrEqual(50);
  });

  it.each([
    ["an e-mail address that is none", { email: 5 }],
    ["an empty name", { preferred_username: "" }],
    ["a name that is too long", { preferred_username: "n".repeat(256) }],
    ["a name that cannot be stored", { preferred_username: "a\0b" }],
    ["half a surrogate pair", { email: "a\ud800b" }],
    ["text for truth", { email_verified: "true" }],
  ])("leaves out %s", async (_, claims) => {
    await auth.authenticate(await by.good(claims));
    expect(JSON.parse(JSON.stringify(auth.resolved.at(-1)?.profile))).toEqual({});
  });
});

describe("auth.authenticate with two issuers", () => {
  it("keeps users of the same subject apart, and the keys of one from the names of the other", async () => {
    const both = await startAuth([issuer, other]);
    const [one, two] = [
      await both.authenticate(await issuer.token("bob")),
      await both.authenticate(await other.token("bob")),
    ];
    expect([one.issuer, two.issuer]).toEqual([issuer.url, other.url]);
    expect(both.resolved.map(({ issuer: named, subject }) => [named, subject])).toEqual([
      [issuer.url, "bob"],
      [other.url, "bob"],
    ]);
    const forged = await other.token("bob", { claims: { iss: issuer.url } });
    await expect(both.authenticate(forged)).rejects.toMatchObject({ type: "UNAUTHENTICATED" });
    await both.stop();
  });
});

describe("auth.authenticate without `users`", () => {
  it("says that a part of the system is missing, not that the token is bad", async () => {
    const alone = await startAuth([issuer], { withUsers: false });
    await expect(alone.authenticate(await by.good())).rejects.toMatchObject({ type: "SERVICE_UNAVAILABLE" });
    await expect(alone.authenticate("a.b.c")).rejects.toMatchObject({ type: "UNAUTHENTICATED" });
    await alone.stop();
  });
});
