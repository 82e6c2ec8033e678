import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { decodeJwt } from "jose";
import { webClient } from "../../scripts/development/development-grant.ts";
import { type DevelopmentIssuer, startIssuer } from "../../scripts/development/issuer.ts";
import { freePort } from "../../scripts/development/processes.ts";
import { application, openBrowser, verifier } from "./sign-in-browser.ts";

const audience = "crypto-pocket-butler";
/** Not of this machine, to tell its pages from those of any program here. */
const apiUrl = "http://192.0.2.1:3000";

let folder: string;
let issuer: DevelopmentIssuer;
let browser: ReturnType<typeof openBrowser>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "butler-sign-in-"));
  issuer = await startIssuer({ folder, environment: "test", apiUrl, port: await freePort() });
  browser = openBrowser(issuer.issuer);
});
afterEach(async () => {
  await issuer.stop();
  await rm(folder, { recursive: true, force: true });
});

describe("signing in", () => {
  it("gives the tokens of whoever typed a name: an access token as `npm run token`'s, and an ID token", async () => {
    const { address } = await browser.signIn({ username: "alice" });
    expect(address.startsWith(`${application}?`)).toBe(true);
    const answered = new URL(address).searchParams;
    expect([answered.get("state"), answered.get("iss")]).toEqual(["state-1", issuer.issuer]);

    const tokens = await browser.redeem(address);
    expect(tokens).toMatchObject({
      status: 200,
      token_type: "Bearer",
      expires_in: 8 * 60 * 60,
      scope: "openid profile email",
    });
    const access = await browser.verify(tokens.access_token, {
      audience,
      typ: "at+jwt",
      requiredClaims: ["iat", "exp", "jti", "sid"],
    });
    expect(access.payload).toMatchObject({
      sub: "alice",
      client_id: webClient,
      email: "alice@example.test",
      email_verified: true,
      preferred_username: "alice",
      realm_access: { roles: ["user"] },
    });
    const identity = await browser.verify(tokens.id_token, { audience: webClient });
    expect(identity.payload).toMatchObject({
      sub: "alice",
      nonce: "nonce-1",
      email: "alice@example.test",
      preferred_username: "alice",
      sid: access.payload.sid,
    });
  });

  it("makes an administrator of whoever ticks that, until the next time", async () => {
    const first = await browser.redeem(
      (await browser.signIn({ username: "bob", administrator: "yes" })).address,
    );
    expect(decodeJwt(first.access_token)).toMatchObject({
      realm_access: { roles: ["user", "administrator"] },
    });
    const second = await browser.redeem(
      (await browser.signIn({ username: "bob" }, { prompt: "login" })).address,
    );
    expect(decodeJwt(second.access_token)).toMatchObject({ realm_access: { roles: ["user"] } });
  });

  it("asks no second time in the same browser, unless the application wants it", async () => {
    const first = await browser.redeem((await browser.signIn({ username: "alice" })).address);
    const again = await browser.visit(browser.authorization());
    expect(decodeJwt((await browser.redeem(again.address)).access_token).sid).toBe(
      decodeJwt(first.access_token).sid,
    );
    expect((await browser.visit(browser.authorization({ prompt: "login" }))).address).toContain("/sign-in/");
  });

  it("serves a page that can load nothing, run nothing and be shown nowhere else", async () => {
    const { status, headers, page } = await browser.visit(browser.authorization({ login_hint: "carol" }));
    expect(status).toBe(200);
    const policy = headers.get("Content-Security-Policy") ?? "";
    for (const part of ["default-src 'none'", "script-src;", "frame-ancestors 'none'", "base-uri 'none'"]) {
      expect(policy).toContain(part);
    }
    const style = /<style>([\s\S]*)<\/style>/.exec(page)?.[1] ?? "";
    expect(policy).toContain(`style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`);
    expect(page).not.toMatch(/<script|<link|src=|url\(|@import|style=/);
    expect(page).toContain('value="carol"');
  });

  it.each(["", "Alice Smith", '"><script>alert(1)</script>', "a".repeat(65)])(
    "shows the page again for the name %j",
    async (username) => {
      const { status, page } = await browser.signIn({ username, administrator: "yes" });
      expect(status).toBe(422);
      expect(page).toContain("The user name must be");
      expect(page).toMatch(/value="yes" checked/);
      expect(page).not.toContain("<script");
    },
  );

  it("tells the application when somebody cancels", async () => {
    const { address } = await browser.signIn({ action: "cancel" });
    expect(new URL(address).searchParams.get("error")).toBe("access_denied");
  });

  it("says what to do when the sign-in is over, or its form too long", async () => {
    const { address } = await browser.visit(browser.authorization());
    expect((await browser.visit(address, { username: "a".repeat(5000) })).status).toBe(413);
    await browser.visit(address, { username: "alice" });
    const { status, page } = await browser.visit(address, { username: "alice" });
    expect(status).toBe(400);
    expect(page).toContain("sign in there once more");
  });
});

describe("the authorization code", () => {
  it.each([
    [{ code_challenge: undefined, code_challenge_method: undefined }],
    [{ code_challenge: verifier, code_challenge_method: "plain" }],
    [{ response_type: "token" }],
  ])("is refused to a request with %j", async (parameters) => {
    const { address } = await browser.visit(browser.authorization(parameters));
    expect(address).toMatch(/[?&#]error=(invalid_request|unsupported_response_type)/);
  });

  it("is worth nothing without its verifier, or with another one or another address", async () => {
    const { address } = await browser.signIn({ username: "alice" });
    const wrong = [
      { code_verifier: "" },
      { code_verifier: randomBytes(32).toString("base64url") },
      { redirect_uri: "http://localhost:5173/elsewhere" },
    ];
    for (const parameters of wrong) {
      expect(await browser.redeem(address, parameters)).toMatchObject({
        status: 400,
        error: "invalid_grant",
      });
    }
    expect((await browser.redeem(address)).status).toBe(200);
  });

  it("works once", async () => {
    const { address } = await browser.signIn({ username: "alice" });
    expect((await browser.redeem(address)).status).toBe(200);
    expect(await browser.redeem(address)).toMatchObject({ status: 400, error: "invalid_grant" });
  });

  it("goes to any address of this machine, and to the page of the API's documentation", async () => {
    await browser.signIn({ username: "alice" });
    for (const redirect_uri of ["http://127.0.0.1:61000/", "http://[::1]:1234/a/b", `${apiUrl}/docs`]) {
      const { address } = await browser.visit(browser.authorization({ redirect_uri }));
      expect(address.startsWith(`${redirect_uri}?code=`)).toBe(true);
    }
  });

  it.each([
    "https://app.example/callback",
    "http://localhost.example/",
    "http://localhost@app.example/",
    "http://user@localhost/",
    "http://localhost/#",
    "custom:/localhost",
  ])("goes nowhere else, as to %s", async (redirect_uri) => {
    const { status, address, page } = await browser.visit(browser.authorization({ redirect_uri }));
    expect([status, address.startsWith(issuer.issuer)]).toEqual([400, true]);
    expect(page).toContain("invalid_redirect_uri");
  });
});
