import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { webClient } from "../../scripts/development/development-grant.ts";
import { type Infrastructure, startInfrastructure } from "../../scripts/development/infrastructure-client.ts";
import { freePort } from "../../scripts/development/processes.ts";
import { openBrowser } from "../scripts/sign-in-browser.ts";
import { type System, startSystem } from "../support/system.ts";

const REVOKED_WITHIN_MS = 2_000;

let folder: string;
let infrastructure: Infrastructure;
let issuer: string;
let system: System;

beforeAll(async () => {
  const port = await freePort();
  folder = await mkdtemp(join(tmpdir(), "butler-sign-in-"));
  infrastructure = startInfrastructure({
    parts: { environment: undefined, issuer: { folder } },
    environment: { ...process.env, SERVER_HOST: "127.0.0.1", SERVER_PORT: String(port) },
    log: () => undefined,
  });
  const { issuer: url, audience } = await infrastructure.issuer;
  issuer = url;
  const environment = { OIDC_ISSUER: url, OIDC_AUDIENCE: audience, OIDC_CLIENT_ID: webClient };
  system = await startSystem({ environment, port });
});
afterAll(async () => {
  await system.stop();
  await infrastructure.stop();
  await rm(folder, { recursive: true, force: true });
});

function me(token: string): Promise<Response> {
  return fetch(`${system.url}/v1/me`, { headers: { Authorization: `Bearer ${token}` } });
}

describe("somebody who signs in at a real issuer (oidc-provider)", () => {
  it("is let in with the access token, and with no other token of the sign-in", async () => {
    const browser = openBrowser(issuer);
    const tokens = await browser.redeem(
      (await browser.signIn({ username: "alice", administrator: "yes" })).address,
    );
    const reply = await me(tokens.access_token);
    expect([reply.status, await reply.json()]).toEqual([
      200,
      expect.objectContaining({ user_id: "alice", roles: expect.arrayContaining(["administrator"]) }),
    ]);
    expect((await me(tokens.id_token)).status).toBe(401);
  });

  it("is out within 2 s of signing out there, which the issuer tells us", async () => {
    const browser = openBrowser(issuer);
    const tokens = await browser.redeem((await browser.signIn({ username: "bob" })).address);
    expect((await me(tokens.access_token)).status).toBe(200);
    await browser.signOut({ id_token_hint: tokens.id_token });
    const startedAt = Date.now();
    while ((await me(tokens.access_token)).status !== 401) {
      if (Date.now() - startedAt > REVOKED_WITHIN_MS)
        throw new Error("the token still works after signing out");
    }
    const again = openBrowser(issuer);
    const { access_token } = await again.redeem((await again.signIn({ username: "bob" })).address);
    const trail = await fetch(`${system.url}/v1/me/audit`, {
      headers: { Authorization: `Bearer ${access_token}` },
    });
    const acts = ((await trail.json()) as { act: string }[]).map(({ act }) => act);
    expect(acts).toEqual(["session.started", "session.ended_by_issuer", "session.started"]);
  });
});
