import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { type CoinPaprika, startCoinPaprika } from "../support/providers/coinpaprika.ts";
import { type System, startSystem } from "../support/system.ts";

/*
 * The wire format that clients written for the original service read, route by route, stated here on its own: nothing
 * is derived from the contracts. Replies may have more members than clients know.
 */

const s = z.string();
const n = z.number();
const i = z.int();
const b = z.boolean();
const u = z.guid();
/** A decimal as text. */
const dec = z.string().regex(/^-?\d+(\.\d+)?$/);
const t = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const d = z.string().regex(/^\d{4}-\d\d-\d\d$/);
const object = z.record(z.string(), z.unknown());

const P = z.looseObject({
  id: u,
  user_id: u,
  name: s,
  description: s.optional(),
  is_default: b,
  target_allocation: z.record(s, n).optional(),
  guardrails: z.record(s, n).optional(),
  last_constructed_at: t.optional(),
  created_at: t,
  updated_at: t,
});
const L = z.looseObject({
  id: u,
  name: s,
  account_type: s,
  exchange_name: s.nullable(),
  wallet_address: s.nullable(),
  is_active: b,
  last_synced_at: t.nullable(),
  created_at: t,
  updated_at: t,
});
const share = z.looseObject({
  account_id: u,
  account_name: s,
  quantity: dec,
  available: dec,
  frozen: dec,
  decimals: i.optional(),
  normalized_quantity: dec.optional(),
});
const H = z.looseObject({
  portfolio_id: u,
  total_value_usd: n,
  holdings: z.array(
    z.looseObject({
      asset: s,
      chain: s.optional(),
      total_quantity: dec,
      total_available: dec,
      total_frozen: dec,
      decimals: i.optional(),
      normalized_quantity: dec.optional(),
      price_usd: n.nullable(),
      value_usd: n.nullable(),
      accounts: z.array(share).min(1),
    }),
  ),
  allocation: z.array(z.looseObject({ asset: s, chain: s.optional(), value_usd: n, percentage: n })),
  as_of: t,
});
const kept = z.looseObject({
  asset: s,
  chain: s.optional(),
  quantity: dec,
  price_usd: n.optional(),
  value_usd: n,
  weight: n,
  unpriced: b,
});
const C = z.looseObject({ portfolio_id: u, total_value_usd: n, holdings: z.array(kept), as_of: t });
const A = z.looseObject({
  id: u,
  user_id: u,
  name: s,
  account_type: s,
  exchange_name: s.optional(),
  wallet_address: s.optional(),
  enabled_chains: z.array(s).optional(),
  is_active: b,
  last_synced_at: t.optional(),
  holdings: z.array(z.looseObject({ asset: s, quantity: dec })).optional(),
  created_at: t,
  updated_at: t,
});
const S = z.looseObject({
  id: u,
  portfolio_id: u,
  snapshot_date: d,
  snapshot_type: s,
  total_value_usd: dec,
  holdings: z.array(kept),
  metadata: z
    .looseObject({ portfolio_name: s, allocation_as_of: t, snapshot_time: t, created_at: t })
    .nullable(),
  allocation_id: u.optional(),
  created_at: t,
});
const SR = z.looseObject({
  portfolio_id: u,
  snapshot_id: u.optional(),
  success: b,
  error: s.optional(),
  holdings_count: i,
  total_value_usd: dec,
});
const O = z.looseObject({
  action: z.enum(["buy", "sell"]),
  asset: s,
  quantity: dec,
  estimated_price: dec,
  estimated_value_usd: dec,
});
const R = z.looseObject({
  id: u,
  portfolio_id: u,
  status: z.enum(["pending", "approved", "rejected", "executed", "expired"]),
  recommendation_type: s,
  rationale: s,
  proposed_orders: z.array(O),
  expected_impact: dec.nullable(),
  metadata: object.nullable(),
  created_at: t,
  updated_at: t,
  executed_at: t.nullable(),
});
const recommendations = z.looseObject({ portfolio_id: u, recommendations: z.array(R), total_count: i });
const sync = z.looseObject({ message: s, account_id: u, job_id: u, holdings_count: i });
const registered = { id: u, is_active: b, created_at: t, updated_at: t };
const chain = z.looseObject({ ...registered, chain_id: s, name: s, native_symbol: s });
const evmToken = z.looseObject({ ...registered, chain: s, symbol: s, contract_address: s });
const solanaToken = z.looseObject({ ...registered, symbol: s, mint_address: s });

/** What the requests are about; filled while they are made. */
const ids: Record<string, string> = {};

interface Exchange {
  readonly as?: "user" | "admin" | "nobody";
  readonly request: string;
  readonly body?: unknown;
  readonly status: number;
  /** Of a reply without a body: undefined. */
  readonly reply?: z.ZodType;
  /** The reply's id is this one's from now on. */
  readonly id?: string;
}

const user = (request: string, status: number, reply?: z.ZodType, body?: unknown, id?: string): Exchange => ({
  request,
  status,
  ...(reply && { reply }),
  ...(body !== undefined && { body }),
  ...(id !== undefined && { id }),
});
const admin = (...exchange: Parameters<typeof user>): Exchange => ({ ...user(...exchange), as: "admin" });
const nobody = (...exchange: Parameters<typeof user>): Exchange => ({ ...user(...exchange), as: "nobody" });

const address = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045";
const mint = "So11111111111111111111111111111111111111112";
const order = {
  action: "sell",
  asset: "BTC",
  quantity: "0.1",
  estimated_price: "100000",
  estimated_value_usd: "10000",
};

/** In the order in which they are made: what one creates, later ones use. */
const exchanges: readonly Exchange[] = [
  nobody("GET /health", 200, z.looseObject({ status: z.literal("ok"), service: s })),
  nobody(
    "GET /v1/chains",
    200,
    z.looseObject({ chains: z.array(z.looseObject({ id: s, name: s, native_symbol: s })).min(8) }),
  ),
  user("GET /me", 200, z.looseObject({ user_id: s, id: u, roles: z.array(s) })),
  user("GET /v1/me", 200, z.looseObject({ user_id: s })),
  user("GET /protected", 200, z.looseObject({ message: s, user_id: s })),

  user(
    "POST /v1/portfolios",
    201,
    P,
    { name: "Main", description: "All of it", is_default: true },
    "portfolio",
  ),
  user("GET /v1/portfolios", 200, z.array(P).min(1)),
  user("GET /v1/portfolios/{portfolio}", 200, P),
  user("PUT /v1/portfolios/{portfolio}", 200, P, {
    target_allocation: { BTC: 60, ETH: 40 },
    guardrails: { drift_band: 5, stablecoin_min: 0, futures_cap: 100, max_alt_cap: 100 },
  }),
  user("PATCH /v1/portfolios/{portfolio}", 200, P, { name: "Mine" }),

  user(
    "POST /v1/accounts",
    201,
    A,
    { name: "Vitalik", account_type: "wallet", wallet_address: address, enabled_chains: ["ethereum"] },
    "wallet",
  ),
  user(
    "POST /v1/accounts",
    201,
    A,
    { name: "Phantom", account_type: "wallet", exchange_name: "solana", wallet_address: mint },
    "solana",
  ),
  user(
    "POST /v1/accounts",
    201,
    A,
    { name: "OKX", account_type: "exchange", exchange_name: "okx", api_key: "k", api_secret: "s" },
    "exchange",
  ),
  user("POST /v1/accounts", 201, A, { name: "By hand", account_type: "manual" }, "manual"),
  user("GET /v1/accounts", 200, z.array(A).length(4)),
  user("GET /v1/accounts/{wallet}", 200, A),
  user("PUT /v1/accounts/{exchange}", 200, A, { name: "Trading", is_active: true }),
  user("PUT /v1/accounts/{manual}/holdings", 200, A, [
    { asset: "BTC", quantity: "1.5", frozen: "0.5" },
    { asset: "UNHEARD", quantity: "1000000000000000000000000000000" },
  ]),
  user("POST /v1/accounts/{exchange}/sync", 202, sync),
  user(
    "POST /v1/accounts/sync-all",
    202,
    z.looseObject({ message: s, account_count: i, job_ids: z.array(u) }),
  ),

  user(
    "POST /v1/portfolios/{portfolio}/accounts",
    201,
    z.looseObject({ id: u, portfolio_id: u, account_id: u, added_at: t }),
    { account_id: "{manual}" },
  ),
  user("POST /v1/portfolios/{portfolio}/accounts", 400, undefined, { account_id: "{manual}" }),
  user("GET /v1/portfolios/{portfolio}/accounts", 200, z.array(L).length(1)),
  user("PUT /v1/portfolios/{portfolio}/accounts", 200, z.array(L).length(2), {
    account_ids: ["{manual}", "{wallet}"],
  }),
  user("DELETE /v1/portfolios/{portfolio}/accounts/{wallet}", 204),
  user("DELETE /v1/portfolios/{portfolio}/accounts/{wallet}", 404),
  user("GET /v1/portfolios/{portfolio}/holdings", 200, H),
  user("GET /v1/portfolios/{portfolio}/holdings/latest", 200, H),
  user("GET /v1/portfolios/{portfolio}/allocation", 404),
  user("POST /v1/portfolios/{portfolio}/construct", 200, C),
  user("GET /v1/portfolios/{portfolio}/allocation", 200, C),

  user("GET /v1/portfolios/{portfolio}/snapshots/latest", 404),
  user("POST /v1/portfolios/{portfolio}/snapshots", 200, SR),
  user("POST /v1/portfolios/{portfolio}/snapshots", 200, SR, JSON.stringify({ snapshot_type: "hourly" })),
  user("POST /v1/portfolios/{portfolio}/snapshots/eod", 200, SR),
  user(
    "GET /v1/portfolios/{portfolio}/snapshots?snapshot_type=eod&limit=5",
    200,
    z.looseObject({ portfolio_id: u, snapshots: z.array(S).length(1), total_count: z.literal(1) }),
  ),
  user("GET /v1/portfolios/{portfolio}/snapshots/latest", 200, S),
  user(
    "POST /v1/snapshots/create-all",
    200,
    z.looseObject({ total: i, successful: i, failed: i, results: z.array(SR) }),
    { snapshot_type: "manual" },
  ),

  user("POST /v1/portfolios/{portfolio}/recommendations/generate", 200, recommendations),
  user(
    "POST /v1/portfolios/{portfolio}/recommendations",
    201,
    R,
    { recommendation_type: "take_profit", rationale: "It went up.", proposed_orders: [order] },
    "recommendation",
  ),
  user(
    "GET /v1/portfolios/{portfolio}/recommendations?status=pending&recommendation_type=take_profit&limit=10",
    200,
    recommendations,
  ),
  user("GET /v1/portfolios/{portfolio}/recommendations/{recommendation}", 200, R),
  user("POST /v1/portfolios/{portfolio}/recommendations/{recommendation}/execute", 409),
  user("POST /v1/portfolios/{portfolio}/recommendations/{recommendation}/approve", 200, R),
  user("POST /v1/portfolios/{portfolio}/recommendations/{recommendation}/execute", 200, R),
  user("POST /v1/portfolios/{portfolio}/recommendations/{recommendation}/reject", 409),

  user("DELETE /v1/accounts/{solana}", 204),
  user("DELETE /v1/portfolios/{portfolio}", 204),
  user("GET /v1/portfolios/{portfolio}", 404),

  user("GET /v1/evm-chains", 200, z.array(chain).min(7)),
  user("POST /v1/evm-chains", 403, undefined, { chain_id: "x", name: "X", rpc_url: "https://x.example" }),
  admin(
    "POST /v1/evm-chains",
    201,
    chain.extend({ rpc_url: s }),
    { chain_id: "polygon", name: "Polygon", rpc_url: "https://polygon.example", is_active: true },
    "chain",
  ),
  admin("POST /v1/evm-chains", 409, undefined, {
    chain_id: "polygon",
    name: "Polygon",
    rpc_url: "https://polygon.example",
  }),
  admin("GET /v1/evm-chains/{chain}", 200, chain.extend({ rpc_url: s })),
  admin("PUT /v1/evm-chains/{chain}", 200, chain, {
    name: "POS",
    rpc_url: "https://p.example",
    is_active: false,
  }),
  admin("DELETE /v1/evm-chains/{chain}", 204),
  admin("DELETE /v1/evm-chains/{chain}", 404),
  admin("GET /v1/evm-tokens?chain=ethereum&is_active=true", 200, z.array(evmToken).min(20)),
  admin(
    "POST /v1/evm-tokens",
    201,
    evmToken,
    { chain: "ethereum", symbol: "NEW", contract_address: address, is_active: true },
    "token",
  ),
  admin("GET /v1/evm-tokens/{token}", 200, evmToken),
  admin("PUT /v1/evm-tokens/{token}", 200, evmToken, { symbol: "NEWER", is_active: false }),
  admin("DELETE /v1/evm-tokens/{token}", 204),
  admin("POST /v1/evm-tokens/sync-from-contracts", 200, z.looseObject({ inserted: i, skipped: i })),
  admin(
    "GET /v1/evm-tokens/lookup-contracts?symbol=USDC",
    200,
    z.looseObject({
      symbol: s,
      coin_id: s,
      coin_name: s,
      contracts: z.array(z.looseObject({ chain: s, contract_address: s })).min(1),
    }),
  ),
  admin("GET /v1/solana-tokens?is_active=true", 200, z.array(solanaToken).min(11)),
  admin("POST /v1/solana-tokens", 201, solanaToken, { symbol: "WSOL", mint_address: mint }, "mint"),
  admin("GET /v1/solana-tokens/{mint}", 200, solanaToken),
  admin("PUT /v1/solana-tokens/{mint}", 200, solanaToken, { is_active: false }),
  admin("DELETE /v1/solana-tokens/{mint}", 204),
  admin(
    "POST /v1/jobs/fetch-all-coins",
    200,
    z.looseObject({
      success: z.literal(true),
      coins_fetched: i,
      assets_created: i,
      assets_updated: i,
      prices_stored: i,
    }),
  ),
  user("POST /v1/migrations/migrate", 404),
];

let system: System;
let prices: CoinPaprika;

beforeAll(async () => {
  prices = await startCoinPaprika([
    { id: "btc-bitcoin", symbol: "BTC", name: "Bitcoin", rank: 1, price: "1e5" },
  ]);
  system = await startSystem({
    environment: { COINPAPRIKA_URL: prices.url, OUTGOING_PRIVATE_HOSTS: new URL(prices.url).host },
  });
}, 60_000);
afterAll(async () => {
  await system.stop();
  await prices.stop();
});

function filled(text: string): string {
  return text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => ids[name] ?? whole);
}

/** As existing clients send: JSON is the content type of every request, also of those without a body. */
async function send(token: string | undefined, { request, body }: Exchange, prefix: string) {
  const [method, path] = request.split(" ") as [string, string];
  return fetch(system.url + prefix + filled(path), {
    method,
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    body: body === undefined ? null : filled(JSON.stringify(body)),
  });
}

describe.each(["", "/api"])("what existing clients read, below '%s'", (prefix) => {
  const tokens: Record<string, string | undefined> = {};

  beforeAll(async () => {
    tokens.user = await system.issuer.token(`user-${randomUUID()}`);
    tokens.admin = await system.issuer.token(`admin-${randomUUID()}`, {
      claims: { realm_access: { roles: ["administrator"] } },
    });
  });

  it.each(
    exchanges.map((exchange): [string, number, Exchange] => [exchange.request, exchange.status, exchange]),
  )("%s answers %d", async (_, status, exchange) => {
    const reply = await send(tokens[exchange.as ?? "user"], exchange, prefix);
    const text = await reply.text();
    expect([reply.status, text]).toEqual([status, expect.any(String)]);
    if (status === 204) {
      expect(text).toBe("");
      return;
    }
    const value = JSON.parse(text);
    if (status >= 400) expect(typeof value.error).toBe("string");
    expect(exchange.reply?.safeParse(value).error?.issues).toBeUndefined();
    if (exchange.id !== undefined) ids[exchange.id] = value.id;
  });
});
