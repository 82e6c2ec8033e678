import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { decodeJwt } from "jose";
import { webClient } from "../../scripts/development/development-grant.ts";
import { type Infrastructure, startInfrastructure } from "../../scripts/development/infrastructure-client.ts";
import { freePort } from "../../scripts/development/processes.ts";
import { openBrowser } from "./sign-in-browser.ts";

const back = "http://localhost:5173/bye";

let folder: string;
let infrastructure: Infrastructure;
let issuer: string;
let browser: ReturnType<typeof openBrowser>;
let api: Server;
/** What the API was told: method, path and body of each request. */
let told: string[];
let logged: PromiseWithResolvers<string>;

// In a process of its own, as `npm start` has it: Jest's modules are strangers to Node's fetch, which matters here.
beforeEach(async () => {
  told = [];
  logged = Promise.withResolvers();
  api = createServer(async (request, response) => {
    told.push(`${request.method} ${request.url} ${await text(request)}`);
    response.end();
  });
  await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
  folder = await mkdtemp(join(tmpdir(), "butler-sign-out-"));
  await writeFile(join(folder, "port"), String(await freePort()));
  const { port } = api.address() as AddressInfo;
  infrastructure = startInfrastructure({
    parts: { environment: undefined, issuer: { folder } },
    environment: { ...process.env, SERVER_HOST: "0.0.0.0", SERVER_PORT: String(port) },
    log: logged.resolve,
  });
  ({ issuer } = await infrastructure.issuer);
  browser = openBrowser(issuer);
});
afterEach(async () => {
  await infrastructure.stop();
  await stopApi();
  await rm(folder, { recursive: true, force: true });
});

async function stopApi(): Promise<void> {
  api.closeAllConnections();
  await new Promise((resolve) => api.close(resolve));
}

describe("signing out", () => {
  it("sends the API a logout token for the session, and the person back to the application", async () => {
    const tokens = await browser.redeem((await browser.signIn({ username: "alice" })).address);
    const { address } = await browser.signOut({
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: back,
      state: "state-2",
    });
    expect(address).toBe(`${back}?state=state-2`);

    expect(told).toHaveLength(1);
    const [, token = ""] = /^POST \/oidc\/backchannel-logout logout_token=(\S+)$/.exec(told[0] ?? "") ?? [];
    const { payload } = await browser.verify(token, {
      audience: webClient,
      typ: "logout+jwt",
      requiredClaims: ["iat", "exp", "jti"],
    });
    expect(payload).toMatchObject({
      sub: "alice",
      sid: decodeJwt(tokens.access_token).sid,
      events: { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    expect(payload).not.toHaveProperty("nonce");
    expect((await browser.visit(browser.authorization())).address).toContain("/sign-in/");
  });

  it("happens before somebody else signs in with the same browser", async () => {
    await browser.signIn({ username: "alice" });
    const { address, page } = await browser.signIn({ username: "bob" }, { prompt: "login" });
    expect(address).toContain("/auth/");
    const [, action = "", xsrf = ""] = /action="([^"]+)"[\s\S]*name="xsrf" value="([^"]+)"/.exec(page) ?? [];
    const end = await browser.visit(action, { xsrf, logout: "yes" });
    expect(decodeJwt((await browser.redeem(end.address)).access_token).sub).toBe("bob");
    expect(decodeJwt(told[0]?.split("logout_token=")[1] ?? "").sub).toBe("alice");
  });

  it("leads nowhere but to this machine", async () => {
    const parameters = { client_id: webClient, post_logout_redirect_uri: "https://app.example/" };
    const { status } = await browser.visit(`${issuer}/session/end?${new URLSearchParams(parameters)}`);
    expect(status).toBe(400);
  });

  it("works without the API, and says in the log that it does not know", async () => {
    await browser.signIn({ username: "alice" });
    await stopApi();
    expect((await browser.signOut()).page).toContain("Signed out");
    expect(await logged.promise).toMatch(
      /127\.0\.0\.1:\d+\/oidc\/backchannel-logout did not learn that alice signed out/,
    );
  });
});
