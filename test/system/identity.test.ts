import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { freePort } from "../../scripts/development/processes.ts";
import { type Replica, type System, startSystem, untilReady } from "../support/system.ts";

const BACK_CHANNEL = "http://schemas.openid.net/event/backchannel-logout";
/** What the product promises, and a little for a busy machine. */
const REVOKED_WITHIN_MS = 2_000;

let system: System;
/** Two replicas of the gateway. */
let gateways: string[];

beforeAll(async () => {
  system = await startSystem({ environment: { OIDC_CLIENT_ID: "butler-web" } });
  gateways = [system.url, await startGateway()];
});
afterAll(() => system.stop());

async function startGateway(): Promise<string> {
  const port = await freePort();
  await system.start("gateway", { SERVER_PORT: String(port) });
  await untilReady(`http://127.0.0.1:${port}/ready`);
  return `http://127.0.0.1:${port}`;
}

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly body?: unknown;
  readonly gateway?: string;
}

function ask(
  token: string,
  { method = "GET", path = "/v1/me", body, gateway = system.url }: Asked = {},
): Promise<Response> {
  const headers = {
    Authorization: `Bearer ${token}`,
    ...(body !== undefined && { "Content-Type": "application/json" }),
  };
  return fetch(gateway + path, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
}

async function json<Result>(reply: Promise<Response>): Promise<Result> {
  return (await (await reply).json()) as Result;
}

/** Waits until every gateway refuses a token; fails when one still takes it after the promised time. */
async function expectRefused(token: string, urls: readonly string[] = gateways): Promise<void> {
  const startedAt = Date.now();
  for (const gateway of urls) {
    while ((await ask(token, { gateway })).status !== 401) {
      if (Date.now() - startedAt > REVOKED_WITHIN_MS)
        throw new Error(`${gateway} still takes a revoked token`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function rememberedEverywhere(token: string): Promise<void> {
  for (const gateway of gateways) expect((await ask(token, { gateway })).status).toBe(200);
}

function logoutToken(
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const common = { aud: "butler-web", jti: randomUUID(), exp: now + 120, events: { [BACK_CHANNEL]: {} } };
  return system.issuer.token("ignored", {
    header: { typ: "logout+jwt", ...header },
    claims: { ...common, sub: undefined, ...claims } as never,
  });
}

function sendLogout(token: string, type = "application/x-www-form-urlencoded"): Promise<Response> {
  const body = type.includes("form")
    ? new URLSearchParams({ logout_token: token }).toString()
    : JSON.stringify({ logout_token: token });
  return fetch(`${system.url}/oidc/backchannel-logout`, {
    method: "POST",
    headers: { "Content-Type": type },
    body,
  });
}

describe("POST /v1/logout", () => {
  it("ends the caller's session everywhere within 2 s, and no other session", async () => {
    const subject = `out-${randomUUID()}`;
    const [ended, refreshed, other] = (await Promise.all(
      ["s1", "s1", "s2"].map((sid) =>
        system.issuer.token(subject, { claims: { sid: `${subject}-${sid}`, jti: randomUUID() } }),
      ),
    )) as [string, string, string];
    for (const token of [ended, refreshed, other]) await rememberedEverywhere(token);
    expect((await ask(ended, { method: "POST", path: "/v1/logout" })).status).toBe(204);
    await expectRefused(ended);
    await expectRefused(refreshed);
    expect((await ask(other)).status).toBe(200);
  });

  it("is in force at a gateway that has just started", async () => {
    const subject = `out-${randomUUID()}`;
    const token = await system.issuer.token(subject, { claims: { sid: subject } });
    await rememberedEverywhere(token);
    await ask(token, { method: "POST", path: "/v1/logout" });
    const late = await startGateway();
    expect((await ask(token, { gateway: late })).status).toBe(401);
  });
});

describe("POST /oidc/backchannel-logout", () => {
  it("ends the named session at every gateway, and refuses the same token a second time", async () => {
    const subject = `back-${randomUUID()}`;
    const token = await system.issuer.token(subject, { claims: { sid: subject } });
    await rememberedEverywhere(token);
    const logout = await logoutToken({ sid: subject });
    const reply = await sendLogout(logout);
    expect([reply.status, reply.headers.get("cache-control")]).toEqual([200, "private, no-store"]);
    await expectRefused(token);
    const again = await sendLogout(logout);
    expect([again.status, await again.json()]).toEqual([
      400,
      expect.objectContaining({ type: "/problems/invalid-logout-token" }),
    ]);
  });

  it("ends all of a user's sessions when it names only the user, but not those that begin later", async () => {
    const subject = `back-${randomUUID()}`;
    const token = await system.issuer.token(subject);
    await rememberedEverywhere(token);
    expect((await sendLogout(await logoutToken({ sub: subject }))).status).toBe(200);
    await expectRefused(token);
    const later = await system.issuer.token(subject, { claims: { iat: Math.floor(Date.now() / 1000) + 2 } });
    expect((await ask(later)).status).toBe(200);
  });

  it("refuses every bad token alike, and ends nothing", async () => {
    const subject = `back-${randomUUID()}`;
    const token = await system.issuer.token(subject, { claims: { sid: subject } });
    const bad = await Promise.all([
      logoutToken({ sid: subject, nonce: "n" }),
      logoutToken({ sid: subject, events: {} }),
      logoutToken({ sid: subject, aud: "somebody-else" }),
      logoutToken({ sid: subject, jti: undefined }),
      logoutToken({}),
      logoutToken({ sid: subject, exp: Math.floor(Date.now() / 1000) - 100 }),
      system.issuer.token(subject, { claims: { sid: subject } }),
      "not.a.token",
    ]);
    const replies = await Promise.all(bad.map((each) => sendLogout(each)));
    expect(replies.map(({ status }) => status)).toEqual(bad.map(() => 400));
    expect(new Set(await Promise.all(replies.map((reply) => reply.text()))).size).toBe(1);
    expect((await sendLogout(await logoutToken({ sid: subject }), "application/json")).status).toBe(415);
    expect((await ask(token)).status).toBe(200);
  });
});

describe("POST /v1/users/{id}/revoke", () => {
  it("lets an administrator end everything of a user, and nobody else", async () => {
    const subject = `user-${randomUUID()}`;
    const token = await system.issuer.token(subject);
    const { id } = await json<{ id: string }>(ask(token));
    const expires_at = new Date(Date.now() + 86_400_000).toISOString();
    const script = await json<{ token: string }>(
      ask(token, {
        method: "POST",
        path: "/v1/tokens",
        body: { name: "Script", scopes: ["profile:read"], expires_at },
      }),
    );
    await rememberedEverywhere(token);
    await rememberedEverywhere(script.token);
    const path = `/v1/users/${id}/revoke`;
    expect((await ask(token, { method: "POST", path })).status).toBe(403);
    const administrator = await system.issuer.token("root", {
      claims: { realm_access: { roles: ["administrator"] } },
    });
    expect(
      (await ask(administrator, { method: "POST", path: `/v1/users/${randomUUID()}/revoke` })).status,
    ).toBe(404);
    expect((await ask(administrator, { method: "POST", path })).status).toBe(204);
    await expectRefused(token);
    await expectRefused(script.token);
  });
});

describe("revocations while auth cannot be reached", () => {
  it("leave no gateway trusting what it remembers", async () => {
    const alone = await startSystem();
    try {
      const token = await alone.issuer.token("remembered");
      const me = () => fetch(`${alone.url}/v1/me`, { headers: { Authorization: `Bearer ${token}` } });
      expect((await me()).status).toBe(200);
      const auth = alone.replicas.find(({ service }) => service === "auth") as Replica;
      await auth.stop();
      const startedAt = Date.now();
      while ((await me()).status !== 503) {
        if (Date.now() - startedAt > REVOKED_WITHIN_MS + 1_000)
          throw new Error("a gateway still trusts its memory");
      }
      await alone.start("auth");
      const returnedAt = Date.now();
      while ((await me()).status !== 200)
        if (Date.now() - returnedAt > 5_000) throw new Error("it does not recover");
    } finally {
      await alone.stop();
    }
  });
});

describe("personal access tokens", () => {
  const tomorrow = () => new Date(Date.now() + 86_400_000).toISOString();

  it("are shown once, work with their scopes only, note their use, and are refused once deleted", async () => {
    const owner = await system.issuer.token(`pat-${randomUUID()}`);
    const body = { name: "Script", scopes: ["portfolios:read"], expires_at: tomorrow() };
    const made = await ask(owner, { method: "POST", path: "/v1/tokens", body });
    const { token, ...shown } = (await made.json()) as { id: string; token: string };
    expect([made.status, made.headers.get("location")]).toEqual([201, `/v1/tokens/${shown.id}`]);
    expect(token).toMatch(/^cpb_pat_[\w-]{43}$/);
    expect(await json(ask(owner, { path: "/v1/tokens" }))).toEqual([shown]);
    expect((await ask(token, { path: "/v1/portfolios" })).status).toBe(200);
    for (const [method, path] of [
      ["POST", "/v1/portfolios"],
      ["GET", "/v1/me"],
      ["POST", "/v1/tokens"],
      ["DELETE", "/v1/me"],
    ]) {
      const refused = await ask(token, {
        method: method as string,
        path: path as string,
        ...(method === "POST" && { body }),
      });
      expect([method, path, refused.status]).toEqual([method, path, 403]);
    }
    const [used] = await json<{ last_used_at: string }[]>(ask(owner, { path: "/v1/tokens" }));
    expect(Date.now() - Date.parse(used?.last_used_at ?? "")).toBeLessThan(120_000);
    const stored = await system.database.query("select * from auth.personal_access_tokens where id = $1", [
      shown.id,
    ]);
    expect(JSON.stringify(stored)).not.toContain(token.slice(10, 40));
    await rememberedAs(token);
    expect((await ask(owner, { method: "DELETE", path: `/v1/tokens/${shown.id}` })).status).toBe(204);
    await expectRefused(token);
    expect((await ask(owner, { method: "DELETE", path: `/v1/tokens/${shown.id}` })).status).toBe(404);
  });

  async function rememberedAs(token: string): Promise<void> {
    for (const gateway of gateways)
      expect((await ask(token, { path: "/v1/portfolios", gateway })).status).toBe(200);
  }

  it("may be for one portfolio of the owner's, which is all they reach", async () => {
    const owner = await system.issuer.token(`pat-${randomUUID()}`);
    const make = (name: string) =>
      json<{ id: string }>(ask(owner, { method: "POST", path: "/v1/portfolios", body: { name } }));
    const [first, second] = [await make("First"), await make("Second")];
    const wish = { name: "One", scopes: ["portfolios:read", "portfolios:write"], expires_at: tomorrow() };
    const body = { ...wish, portfolio_id: second.id };
    const { token } = await json<{ token: string }>(ask(owner, { method: "POST", path: "/v1/tokens", body }));
    expect(await json<{ id: string }[]>(ask(token, { path: "/v1/portfolios" }))).toMatchObject([
      { id: second.id },
    ]);
    expect((await ask(token, { path: `/v1/portfolios/${first.id}` })).status).toBe(404);
    expect(
      (await ask(token, { method: "POST", path: "/v1/portfolios", body: { name: "Third" } })).status,
    ).toBe(403);
    const foreign = await system.issuer.token(`pat-${randomUUID()}`);
    expect((await ask(foreign, { method: "POST", path: "/v1/tokens", body })).status).toBe(404);
  });

  it.each([
    ["no expiry", { expires_at: undefined }, 400],
    ["an expiry in the past", { expires_at: "2020-01-01T00:00:00Z" }, 422],
    [
      "an expiry in more than a year",
      { expires_at: new Date(Date.now() + 367 * 86_400_000).toISOString() },
      422,
    ],
    ["no scope", { scopes: [] }, 400],
    ["an unknown scope", { scopes: ["everything"] }, 400],
    ["a scope that no script may have", { scopes: ["tokens:manage"] }, 400],
    ["a scope twice", { scopes: ["profile:read", "profile:read"] }, 400],
    ["no name", { name: " " }, 400],
  ])("are refused with %s", async (_, changes, status) => {
    const owner = await system.issuer.token("pat-bad");
    const body = { name: "Bad", scopes: ["profile:read"], expires_at: tomorrow(), ...changes };
    expect((await ask(owner, { method: "POST", path: "/v1/tokens", body })).status).toBe(status);
    expect(await json(ask(owner, { path: "/v1/tokens" }))).toEqual([]);
  });

  it("that nobody made are refused like every other bad token", async () => {
    const made = `cpb_pat_${"A".repeat(43)}`;
    const [unknown, garbage] = [await ask(made), await ask("x.y.z")];
    expect([unknown.status, garbage.status]).toEqual([401, 401]);
    expect(await unknown.text()).toBe(await garbage.text());
  });
});

describe("/v1/me", () => {
  it("takes preferences, and refuses what is none", async () => {
    const token = await system.issuer.token(`me-${randomUUID()}`);
    const patch = (body: object) => ask(token, { method: "PATCH", body });
    expect(await json(ask(token))).toMatchObject({ base_currency: "USD", time_zone: "UTC" });
    const wishes = { display_name: "Alice", base_currency: "EUR", time_zone: "Europe/Berlin" };
    expect(await json(patch(wishes))).toMatchObject(wishes);
    expect(await json(patch({ display_name: null }))).not.toHaveProperty("display_name");
    expect(await json(ask(token))).toMatchObject({ base_currency: "EUR", time_zone: "Europe/Berlin" });
    for (const bad of [
      { base_currency: "EURO" },
      { time_zone: "Mars/Phobos" },
      { display_name: "" },
      { email: "x@y.z" },
    ]) {
      expect((await patch(bad)).status).toBe(400);
    }
  });

  it("keeps an audit trail that its user can read, newest first, and that cannot be changed", async () => {
    const subject = `trail-${randomUUID()}`;
    const token = await system.issuer.token(subject, { claims: { sid: subject } });
    const body = {
      name: "Script",
      scopes: ["portfolios:write"],
      expires_at: new Date(Date.now() + 86_400_000).toISOString(),
    };
    const script = await json<{ id: string; token: string }>(
      ask(token, { method: "POST", path: "/v1/tokens", body }),
    );
    await ask(script.token, { method: "POST", path: "/v1/portfolios", body: { name: "By script" } });
    await ask(token, { method: "PATCH", body: { time_zone: "Asia/Tokyo" } });
    const trail = await json<{ act: string }[]>(ask(token, { path: "/v1/me/audit" }));
    expect(trail.map(({ act }) => act)).toEqual([
      "user.changed",
      "portfolios.create",
      "token.created",
      "session.started",
    ]);
    expect(trail[1]).toMatchObject({
      token_id: script.id,
      subject,
      address: "127.0.0.1",
      request_id: expect.any(String),
    });
    expect(trail[3]).toMatchObject({ session_id: subject, subject, address: "127.0.0.1" });
    const change = system.database.query("update auth.audit_events set act = 'nothing' where subject = $1", [
      subject,
    ]);
    await expect(change).rejects.toThrow("append-only");
    const removal = system.database.query("delete from auth.audit_events where subject = $1", [subject]);
    await expect(removal).rejects.toThrow("append-only");
    const other = await system.issuer.token(`trail-${randomUUID()}`);
    expect(await json(ask(other, { path: "/v1/me/audit" }))).toEqual([]);
  });

  it("is exported whole, however many pages it has", async () => {
    const token = await system.issuer.token(`export-${randomUUID()}`);
    const { id } = await json<{ id: string }>(ask(token));
    await system.database.query(
      `insert into portfolios.portfolios (id, user_id, name, description)
       select gen_random_uuid(), $1, 'P' || n, repeat('x', 2000) from generate_series(1, 700) n`,
      [id],
    );
    await ask(token, {
      method: "POST",
      path: "/v1/accounts",
      body: { name: "Coins", account_type: "exchange", exchange_name: "okx", api_key: "CANARY" },
    });
    const reply = await ask(token, { path: "/v1/me/export" });
    expect(reply.status).toBe(200);
    const records = (await reply.json()) as { kind: string; user?: { id: string } }[];
    expect(records[0]).toMatchObject({
      kind: "user",
      user: { id, identities: [{ issuer: system.issuer.url }] },
    });
    expect(records.filter(({ kind }) => kind === "portfolio")).toHaveLength(700);
    expect(records.filter(({ kind }) => kind === "account")).toMatchObject([{ account: { name: "Coins" } }]);
    expect(JSON.stringify(records)).not.toContain("CANARY");
    expect(records.filter(({ kind }) => kind === "act").length).toBeGreaterThan(0);
  });

  it("is erased with all that is kept of it, in every table of every service, and its tokens end", async () => {
    const subject = `erase-${randomUUID()}`;
    const token = await system.issuer.token(subject, {
      claims: { sid: `sid-${subject}`, email: `${subject}@example.test` },
    });
    const { id } = await json<{ id: string }>(ask(token));
    await ask(token, { method: "POST", path: "/v1/portfolios", body: { name: "Mine" } });
    const members = { name: "Mine", account_type: "exchange", exchange_name: "okx", api_key: "key" };
    await ask(token, { method: "POST", path: "/v1/accounts", body: members });
    const manual = { name: subject, account_type: "manual" };
    const account = await json<{ id: string }>(
      ask(token, { method: "POST", path: "/v1/accounts", body: manual }),
    );
    const holdings = [{ asset: subject, quantity: "1" }];
    const path = `/v1/accounts/${account.id}/holdings`;
    expect((await ask(token, { method: "PUT", path, body: holdings })).status).toBe(200);
    const body = {
      name: "Script",
      scopes: ["profile:read"],
      expires_at: new Date(Date.now() + 86_400_000).toISOString(),
    };
    const script = await json<{ token: string }>(ask(token, { method: "POST", path: "/v1/tokens", body }));
    await rememberedEverywhere(token);
    await rememberedEverywhere(script.token);
    expect(await traces([id, subject])).toEqual(
      expect.arrayContaining(["accounts.accounts", "accounts.credentials", "accounts.holdings"]),
    );
    expect((await ask(token, { method: "DELETE" })).status).toBe(204);
    // What is left is the news of it, until it is told.
    expect((await traces([id, subject])).filter((table) => !table.endsWith(".outbox"))).toEqual([]);
    await expectRefused(token);
    await expectRefused(script.token);
    const toldBy = Date.now() + 10_000;
    while ((await traces([id, subject])).length > 0 && Date.now() < toldBy) await sleep(100);
    expect(await traces([id, subject])).toEqual([]);
    // Who signs in again is a new user.
    const later = await system.issuer.token(subject, { claims: { iat: Math.floor(Date.now() / 1000) + 2 } });
    expect((await json<{ id: string }>(ask(later))).id).not.toBe(id);
  });

  /** The tables of all services in which any of these texts occurs, in any column. */
  async function traces(texts: readonly string[]): Promise<string[]> {
    const tables = await system.database.query<{ name: string }>(
      `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
       where table_schema in ('auth', 'users', 'portfolios', 'accounts', 'market') and table_type = 'BASE TABLE'`,
    );
    expect(tables.length).toBeGreaterThan(8);
    const found = await Promise.all(
      tables.map(async ({ name }) => {
        const rows = await system.database.query(`select 1 from ${name} t where t::text like any ($1)`, [
          texts.map((text) => `%${text}%`),
        ]);
        return rows.length > 0 ? [name] : [];
      }),
    );
    return found.flat();
  }
});
