import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { developmentClient, developmentGrant } from "../../scripts/development/development-grant.ts";
import { type DevelopmentIssuer, startIssuer } from "../../scripts/development/issuer.ts";
import { freePort } from "../../scripts/development/processes.ts";
import { application, openBrowser, verifier } from "./sign-in-browser.ts";

const here = new URL(application).origin;
const elsewhere = "https://app.example";

let folder: string;
let issuer: DevelopmentIssuer;
let browser: ReturnType<typeof openBrowser>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "butler-cross-origin-"));
  const apiUrl = "http://127.0.0.1:3000";
  issuer = await startIssuer({ folder, environment: "test", apiUrl, port: await freePort() });
  browser = openBrowser(issuer.issuer);
});
afterAll(async () => {
  await issuer.stop();
  await rm(folder, { recursive: true, force: true });
});

function allowed(response: Response): string | null {
  return response.headers.get("Access-Control-Allow-Origin");
}

async function exchange(origin: string): Promise<Response> {
  const { address } = await browser.signIn({ username: "alice" }, { prompt: "login" });
  const parameters = { grant_type: "authorization_code", code_verifier: verifier, redirect_uri: application };
  const code = new URL(address).searchParams.get("code") ?? "";
  const body = new URLSearchParams({ ...parameters, code, client_id: "crypto-pocket-butler-web" });
  return fetch(`${issuer.issuer}/token`, { method: "POST", headers: { Origin: origin }, body });
}

describe("the token endpoint", () => {
  it("gives tokens to a page of this machine", async () => {
    const response = await exchange(here);
    expect([response.status, allowed(response)]).toEqual([200, here]);
  });

  it("gives none to a page from elsewhere", async () => {
    const response = await exchange(elsewhere);
    expect([response.status, allowed(response)]).toEqual([400, null]);
  });

  it("gives those that need no sign-in to no page at all", async () => {
    const body = new URLSearchParams({
      grant_type: developmentGrant,
      client_id: developmentClient,
      username: "alice",
    });
    const response = await fetch(`${issuer.issuer}/token`, {
      method: "POST",
      headers: { Origin: here },
      body,
    });
    expect([response.status, allowed(response)]).toEqual([400, null]);
  });
});

describe("the key set and the discovery document", () => {
  it.each(["/jwks", "/.well-known/openid-configuration"])("may be read by pages: %s", async (path) => {
    const response = await fetch(`${issuer.issuer}${path}`, { headers: { Origin: here } });
    expect([response.status, allowed(response)]).toEqual([200, here]);
  });
});

describe("the user info endpoint", () => {
  async function ask(headers: Record<string, string>, method = "GET"): Promise<Response> {
    const document = await fetch(`${issuer.issuer}/.well-known/openid-configuration`);
    const { userinfo_endpoint } = (await document.json()) as { userinfo_endpoint: string };
    return fetch(userinfo_endpoint, { method, headers });
  }

  it("says whose an access token is, also to a page of this machine", async () => {
    const { access_token } = (await (await exchange(here)).json()) as { access_token: string };
    const response = await ask({ Authorization: `Bearer ${access_token}`, Origin: here });
    expect(allowed(response)).toBe(here);
    expect(await response.json()).toEqual({
      sub: "alice",
      email: "alice@example.test",
      email_verified: true,
      preferred_username: "alice",
    });
  });

  it("answers the question that browsers ask first", async () => {
    const response = await ask({ Origin: here, "Access-Control-Request-Method": "GET" }, "OPTIONS");
    expect([response.status, allowed(response)]).toEqual([204, here]);
    expect(response.headers.get("Access-Control-Allow-Headers")).toBe("Authorization");
    expect(allowed(await ask({ Origin: elsewhere }, "OPTIONS"))).toBeNull();
  });

  it("refuses everything else", async () => {
    const { id_token } = (await (await exchange(here)).json()) as { id_token: string };
    const headers: Record<string, string>[] = [
      {},
      { Authorization: "Basic YTpi" },
      { Authorization: `Bearer ${id_token}` },
    ];
    for (const header of headers) {
      const response = await ask(header);
      expect(response.status).toBe(401);
      expect(response.headers.get("WWW-Authenticate")).toContain("invalid_token");
    }
  });
});
