import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { routesOf } from "../../services/common/contract.ts";
import { contracts } from "../../services/gateway/contracts.ts";
import { CLIENT_ID, newTarget } from "../access/http-callers.ts";
import { actionsOf, type Request, requestsOf, rows, type Target } from "../access/matrix.ts";
import { expectProblem } from "../gateway/http.ts";
import { paprikaCoin } from "../market/prices/price-services.ts";
import { type CoinPaprika, startCoinPaprika } from "../support/providers/coinpaprika.ts";
import { type System, startSystem } from "../support/system.ts";

const REPEATS = 100;
const REPLICAS = 3;
const BACKCHANNEL = "auth.backchannelLogout";

let system: System;
let paprika: CoinPaprika;
let administrator: string;

beforeAll(async () => {
  paprika = await startCoinPaprika([paprikaCoin("btc-bitcoin", "97000", { rank: 1 })]);
  system = await startSystem({
    environment: {
      OIDC_CLIENT_ID: CLIENT_ID,
      COINPAPRIKA_URL: paprika.url,
      OUTGOING_PRIVATE_HOSTS: new URL(paprika.url).host,
    },
  });
  // Not all at the same time, which would take a busy machine longer than a start may.
  for (const service of ["portfolios", "accounts", "market", "auth"]) {
    for (let count = 1; count < REPLICAS; count += 1) await system.start(service);
  }
  administrator = await system.issuer.token("administrator", {
    claims: { realm_access: { roles: ["administrator"] }, azp: "front-end" },
  });
  await countEffects();
}, 120_000);
afterAll(async () => {
  await system.stop();
  await paprika.stop();
});

/** Every row that a POST writes; what goes on in the background does not write these. */
const COUNTED: Readonly<Record<string, string>> = {
  "portfolios.portfolios": "insert or update",
  "portfolios.portfolio_accounts": "insert",
  "portfolios.portfolio_allocations": "insert or update",
  "portfolios.snapshots": "insert or update",
  "portfolios.recommendations": "insert or update",
  "portfolios.outbox": "insert",
  "accounts.accounts": "insert",
  "accounts.credentials": "insert",
  "accounts.syncs": "insert",
  "market.chains": "insert",
  "market.evm_tokens": "insert",
  "market.solana_tokens": "insert",
  "market.fetches": "insert or update",
  "auth.personal_access_tokens": "insert",
  "auth.revocations": "insert or update",
  "auth.logout_tokens": "insert",
  "auth.audit_events": "insert",
  "auth.outbox": "insert",
};

/** Has the database itself write down each row that is written, in the same transaction. */
async function countEffects(): Promise<void> {
  const { query } = system.database;
  await query("create table public.effects (name text not null)");
  await query(`create function public.note_effect() returns trigger language plpgsql as $$
    begin insert into public.effects values (tg_table_schema || '.' || tg_table_name); return null; end $$`);
  for (const [table, events] of Object.entries(COUNTED)) {
    await query(`create trigger note_effect after ${events} on ${table}
      for each row execute function public.note_effect()`);
  }
}

/** What was written since the last time, by table. */
async function effects(): Promise<Record<string, number>> {
  const rows = await system.database.query<{ name: string; count: number }>(
    `with gone as (delete from public.effects returning name)
     select name, count(*)::int from gone group by name order by name`,
  );
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
}

interface Post extends Request {
  readonly token: string | undefined;
  readonly isForm: boolean;
}

function send({ path, members, token, isForm }: Post, key?: string): Promise<Response> {
  const hasBody = Object.keys(members).length > 0;
  const form = new URLSearchParams(members as Record<string, string>).toString();
  return fetch(system.url + path, {
    method: "POST",
    headers: {
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(key && { "Idempotency-Key": key }),
      ...(hasBody && { "Content-Type": isForm ? "application/x-www-form-urlencoded" : "application/json" }),
    },
    body: hasBody ? (isForm ? form : JSON.stringify(members)) : null,
  });
}

const posts = actionsOf(contracts).filter(({ entry }) =>
  routesOf(entry).some((route) => route.startsWith("POST ")),
);

/** A request that succeeds, about a user who has just come and has all that it takes. */
async function newPost(action: string): Promise<{ post: Post; target: Target }> {
  const target = await newTarget(system, ["holdings", "recommendations"]);
  if (action === "market.syncEvmTokens") await system.database.query("delete from market.evm_tokens");
  return { post: postOf(action, target), target };
}

function postOf(action: string, target: Target): Post {
  const row = rows.find((each) => each.action === action);
  if (!row) throw new Error(`The matrix has no row of ${action}.`);
  const [request] = requestsOf(contracts, action, row.params(target));
  const isForAdministrators = row.scope.endsWith(":administer");
  const isForm = action === BACKCHANNEL;
  const token = isForAdministrators ? administrator : isForm ? undefined : target.accessToken;
  return { ...(request as Request), token, isForm };
}

/** All that a client sees of a reply that is about the resource. */
async function seenOf(reply: Response): Promise<string> {
  const headers = ["location", "etag", "content-type", "cache-control"].map((name) =>
    reply.headers.get(name),
  );
  return JSON.stringify([reply.status, await reply.text(), ...headers]);
}

/** What makes of the request another one, where its route takes any other. */
const others: Readonly<Record<string, object>> = {
  "portfolios.create": { name: "Another" },
  "portfolios.createRecommendation": { rationale: "Another" },
  "portfolios.takeSnapshot": { snapshot_type: "eod" },
  "portfolios.takeAllSnapshots": { snapshot_type: "eod" },
  "portfolios.generateRecommendations": { buy_only: true },
  "accounts.create": { name: "Another" },
  "auth.createToken": { name: "Another" },
  "market.createEvmChain": { name: "Another" },
  "market.createEvmToken": { symbol: "ANOTHER" },
  "market.createSolanaToken": { symbol: "ANOTHER" },
};

describe("a hundred repeats at once, over three replicas", () => {
  it("are tried for every POST", () => {
    expect(posts.map(({ action }) => action).sort()).toHaveLength(23);
  });

  it.each(posts.map(({ action }) => action))("have one effect and one answer: %s", async (action) => {
    const alone = await newPost(action);
    await effects();
    expect((await send(alone.post)).status).toBeLessThan(300);
    const once = await effects();

    const { post, target } = await newPost(action);
    await effects();
    const key = randomUUID();
    const replies = await Promise.all(Array.from({ length: REPEATS }, () => send(post, key)));
    const seen = new Set(await Promise.all(replies.map(seenOf)));
    const [first] = replies as [Response];
    expect(first.status).toBeLessThan(300);
    if (action === "auth.logout") {
      // As the session ends, some of them may come too late to be let in.
      for (const { status } of replies) expect([204, 401]).toContain(status);
      expect(await effects()).toEqual(once);
      return;
    }
    expect([...seen]).toHaveLength(1);
    expect([...seen]).toEqual([await seenOf(await send(post, `"${key}"`))]);
    expect([await effects(), Object.keys(once).length]).toEqual([once, Object.keys(once).length]);

    if (action === BACKCHANNEL) return;
    const other = others[action] ?? target.secondPortfolioId;
    const changed =
      typeof other === "string"
        ? { ...post, path: post.path.replace(target.portfolioId, other) }
        : { ...post, members: { ...post.members, ...other } };
    if (changed.path === post.path && changed.members === post.members) return;
    await expectProblem(await send(changed, key), "IDEMPOTENCY_KEY_REUSED", 422);
    expect(await effects()).toEqual({});
  });
});

describe("a key", () => {
  it("asks the provider of prices once", async () => {
    const { post } = await newPost("market.fetchAllCoins");
    const tickers = () => paprika.requests.filter(({ url }) => url.pathname === "/tickers").length;
    const before = tickers();
    const key = randomUUID();
    await Promise.all(Array.from({ length: 30 }, () => send(post, key)));
    expect((await send(post, key)).status).toBe(200);
    expect(tickers()).toBe(before + 1);
    expect((await send(post, randomUUID())).status).toBe(200);
    expect(tickers()).toBe(before + 2);
  });

  it("is another one for another user, and for another session that ends", async () => {
    const [one, other] = [await newPost("portfolios.create"), await newPost("portfolios.create")];
    const key = randomUUID();
    const [mine, theirs] = [await send(one.post, key), await send(other.post, key)];
    expect([mine.status, theirs.status]).toEqual([201, 201]);
    expect(mine.headers.get("location")).not.toBe(theirs.headers.get("location"));

    const { target } = one;
    const second = await system.issuer.token(target.subject, { claims: { sid: randomUUID() } });
    const logout = postOf("auth.logout", target);
    for (const token of [target.accessToken, second]) {
      expect((await send({ ...logout, token }, key)).status).toBe(204);
      await untilRefused(token);
    }
  });

  it("is forgotten with its user", async () => {
    const { post, target } = await newPost("portfolios.create");
    const tokens = { ...postOf("auth.createToken", target) };
    const accounts = { ...postOf("accounts.create", target) };
    for (const each of [post, tokens, accounts]) expect((await send(each, randomUUID())).status).toBe(201);
    const kept = async () => {
      const tables = ["portfolios", "auth", "accounts"].map((service) => `table ${service}.idempotency_keys`);
      const sql = `select count(*)::int from (${tables.join(" union all ")}) k where user_id = $1`;
      const [row] = await system.database.query<{ count: number }>(sql, [target.userId]);
      return row?.count;
    };
    expect(await kept()).toBe(3);
    const headers = { Authorization: `Bearer ${target.accessToken}` };
    expect((await fetch(`${system.url}/v1/me`, { method: "DELETE", headers })).status).toBe(204);
    expect(await kept()).toBe(0);
  });
});

/** Longer than any gateway may take to learn it. */
async function untilRefused(token: string): Promise<void> {
  const headers = { Authorization: `Bearer ${token}` };
  for (let count = 0; count < 200; count += 1) {
    if ((await fetch(`${system.url}/v1/me`, { headers })).status === 401) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error("A token of a session that has ended is still taken after five seconds.");
}
