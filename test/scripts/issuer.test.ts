import { mkdtemp, rm, stat } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { developmentClient, developmentGrant } from "../../scripts/development/development-grant.ts";
import { type DevelopmentIssuer, startIssuer } from "../../scripts/development/issuer.ts";
import { freePort } from "../../scripts/development/processes.ts";

const apiUrl = "http://127.0.0.1:3000";

let folder: string;
let issuer: DevelopmentIssuer | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "butler-issuer-"));
});
afterEach(async () => {
  await issuer?.stop();
  issuer = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function start(port?: number): Promise<DevelopmentIssuer> {
  issuer = await startIssuer({
    folder,
    environment: "test",
    apiUrl,
    ...(port === undefined ? {} : { port }),
  });
  return issuer;
}

async function ask(from: DevelopmentIssuer, parameters: Record<string, string>): Promise<Response> {
  return fetch(`${from.issuer}/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: developmentGrant,
      client_id: developmentClient,
      ...parameters,
    }),
  });
}

async function tokenFor(from: DevelopmentIssuer, parameters: Record<string, string>): Promise<string> {
  const { access_token } = (await (await ask(from, parameters)).json()) as { access_token: string };
  return access_token;
}

/** As a service does it: keys by discovery, and every claim of RFC 9068 demanded. */
async function verify(from: DevelopmentIssuer, token: string) {
  const discovered = await fetch(`${from.issuer}/.well-known/openid-configuration`);
  const { issuer: named, jwks_uri } = (await discovered.json()) as { issuer: string; jwks_uri: string };
  expect(named).toBe(from.issuer);
  return jwtVerify(token, createRemoteJWKSet(new URL(jwks_uri)), {
    issuer: from.issuer,
    audience: "crypto-pocket-butler",
    typ: "at+jwt",
    algorithms: ["RS256"],
    requiredClaims: ["iss", "aud", "exp", "iat", "sub", "jti", "client_id"],
  });
}

describe("startIssuer", () => {
  it("gives a user's access token that verifies and says who the user is", async () => {
    const running = await start();
    const { payload } = await verify(running, await tokenFor(running, { username: "alice" }));
    expect(payload).toMatchObject({
      sub: "alice",
      email: "alice@example.test",
      email_verified: true,
      preferred_username: "alice",
      realm_access: { roles: ["user"] },
    });
    expect((payload.exp as number) - (payload.iat as number)).toBe(8 * 60 * 60);
  });

  it("gives an administrator both roles", async () => {
    const running = await start();
    const token = await tokenFor(running, { username: "bob", role: "administrator" });
    const { payload } = await verify(running, token);
    expect(payload).toMatchObject({ sub: "bob", realm_access: { roles: ["user", "administrator"] } });
  });

  it.each([
    [{}, "username must be"],
    [{ username: "Alice Smith" }, "username must be"],
    [{ username: "alice", role: "emperor" }, "role must be user or administrator"],
  ])("refuses %j", async (parameters, reason) => {
    const answer = await ask(await start(), parameters as Record<string, string>);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      error: "invalid_request",
      error_description: expect.stringContaining(reason),
    });
  });

  it("gives no token to another client", async () => {
    const answer = await ask(await start(), { username: "alice", client_id: "somebody" });
    expect(answer.status).toBe(401);
  });

  it("keeps its address and its key, so that tokens survive a restart", async () => {
    const first = await start();
    const token = await tokenFor(first, { username: "alice" });
    await first.stop();
    const second = await start();
    expect(second.issuer).toBe(first.issuer);
    expect((await verify(second, token)).payload.sub).toBe("alice");
    expect((await stat(join(folder, "signing-key.json"))).mode & 0o777).toBe(0o600);
  });

  it("answers no page that reaches it by another name", async () => {
    const running = await start(await freePort());
    const status = await new Promise((resolve, reject) => {
      request(`${running.issuer}/jwks`, { headers: { Host: "rebound.example" } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .once("error", reject)
        .end();
    });
    expect(status).toBe(421);
  });

  it("refuses to run in production", async () => {
    await expect(startIssuer({ folder, environment: "production", apiUrl })).rejects.toThrow(
      /NODE_ENV=production/,
    );
  });
});
