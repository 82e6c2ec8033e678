import { randomBytes, randomUUID } from "node:crypto";
import { getAddressDecoder } from "@solana/addresses";
import { type Contract, pathParameters, routesOf } from "../../services/common/contract.ts";
import { GrantableScope } from "../../services/common/principal.ts";
import type { ProblemCode } from "../../services/common/problem.ts";

/*
 * Who may do what: every action × every kind of caller. Nothing here is derived from the contracts: whoever adds an
 * action, or changes whom it lets in, says so here too.
 */

/**
 * The kinds of callers, in the order of a row's cells. *Owner*: whose things the request is about. *Deleted*: a user
 * who was deleted, with a token from before. *Scoped*, *unscoped*, *confined*: the owner's personal access tokens: with
 * the scope, with every scope but it, and with it but for another of the owner's portfolios. *Expired*: the owner's.
 */
export const callers = [
  "owner",
  "other",
  "administrator",
  "anonymous",
  "deleted",
  "scoped",
  "unscoped",
  "confined",
  "expired",
] as const;
export type Caller = (typeof callers)[number];

/** What a request may be about: one user and what the user has. */
export interface Target {
  readonly userId: string;
  readonly issuer: string;
  readonly subject: string;
  readonly portfolioId: string;
  /** Another portfolio of the same user. */
  readonly secondPortfolioId: string;
  /** A manual account of the user's that the portfolio does not link, and one that it does, with something in it. */
  readonly accountId: string;
  readonly linkedAccountId: string;
  /** Recommendations for the portfolio: one that waits for the user's word, and one that has had it. */
  readonly pendingId: string;
  readonly approvedId: string;
  /** The user's account at an exchange, and a sync of it. */
  readonly syncedAccountId: string;
  readonly jobId: string;
  /** A personal access token of the user's, as a thing, not to call with. */
  readonly tokenId: string;
  readonly accessToken: string;
  /** A row of each registry; they are nobody's own. */
  readonly chainId: string;
  readonly evmTokenId: string;
  readonly solanaTokenId: string;
  /** An issuer's word that the user's session has ended. */
  readonly logoutToken: string;
}

/** The same target with ids that nobody has. */
export function withUnknownIds(target: Target): Target {
  const unknown = Object.fromEntries(OWN_IDS.map((name) => [name, randomUUID()]));
  return { ...target, ...unknown };
}

/** The members of a target that are ids of what is its user's own. */
const OWN_IDS = [
  "userId",
  "portfolioId",
  "accountId",
  "linkedAccountId",
  "pendingId",
  "approvedId",
  "syncedAccountId",
  "jobId",
  "tokenId",
] as const;

/** What a target's user is and has, by which a reply to somebody else would give it away. */
export function ownIdsOf(target: Target): string[] {
  return [target.subject, ...OWN_IDS.map((name) => target[name])];
}

/** Rows that every installation is seeded with. */
export const seededRegistry = {
  chainId: "019b7700-0000-7003-8000-000000000007",
  evmTokenId: "019b7700-0000-7004-8000-000000000001",
  solanaTokenId: "019b7700-0000-7005-8000-000000000001",
} as const;

/** Members that only the system sets. */
export const systemMembers = [
  "id",
  "user_id",
  "version",
  "created_at",
  "updated_at",
  "__proto__",
  "constructor",
] as const;

export interface Row {
  readonly action: string;
  /** Tells apart rows of one action. */
  readonly title: string;
  readonly scope: string;
  /** A cell for each caller: the status over HTTP, or both: over HTTP / over NATS. */
  readonly cells: string;
  readonly params: (target: Target) => Readonly<Record<string, unknown>>;
  /** What answers 404 where the row names something that the caller does not have. */
  readonly missing: ProblemCode;
}

export interface Outcome {
  readonly status: number;
  /** Undefined: it succeeds. */
  readonly problem: ProblemCode | undefined;
}

const HOUR_MS = 3_600_000;
const nothing = () => ({});
const portfolio = ({ portfolioId: id }: Target) => ({ id });
const pending = (target: Target) => ({ ...portfolio(target), recommendation_id: target.pendingId });
const account = ({ accountId: id }: Target) => ({ id });
const evmChain = ({ chainId: id }: Target) => ({ id });
const evmToken = ({ evmTokenId: id }: Target) => ({ id });
const solanaToken = ({ solanaTokenId: id }: Target) => ({ id });
const user = ({ userId: user_id }: Target) => ({ user_id });
const randomName = () => `chain-${randomBytes(6).toString("hex")}`;
const newToken = () => ({
  name: "Made by the matrix",
  scopes: ["profile:read"],
  expires_at: new Date(Date.now() + HOUR_MS).toISOString(),
});

// biome-ignore format: a table, one row a line.
export const rows: readonly Row[] = [
  //                                            own oth adm ano deleted sco uns con expired
  row("portfolios.list", "portfolios:read",    "200 200 200 401 401/200 200 403 200 401", nothing),
  // Over NATS, whoever says that it acts for an erased user is believed, except where tokens are made.
  row("portfolios.create", "portfolios:write", "201 201 201 401 401/201 201 403 403 401", () => ({ name: "New" })),
  row("portfolios.get", "portfolios:read",     "200 404 404 401 401/404 200 403 404 401", portfolio, "PORTFOLIO_NOT_FOUND"),
  row("portfolios.update", "portfolios:write", "200 404 404 401 401/404 200 403 404 401", (target) => ({ ...portfolio(target), name: "Changed" }), "PORTFOLIO_NOT_FOUND"),
  row("portfolios.delete", "portfolios:write", "204 404 404 401 401/404 204 403 404 401", portfolio, "PORTFOLIO_NOT_FOUND"),

  // Whose portfolio it is comes first, so what is said of its parts is said of it.
  row("portfolios.listAccounts", "portfolios:read", "200 404 404 401 401/404 200 403 404 401", portfolio, "PORTFOLIO_NOT_FOUND"),
  // Linking shows what is in the account to whoever reads the portfolio.
  row("portfolios.linkAccount", "portfolios:write", "201 404 404 401 401/404 201 403 404 401", (target) => ({ ...portfolio(target), account_id: target.accountId }), "PORTFOLIO_NOT_FOUND"),
  row("portfolios.replaceAccounts", "portfolios:write", "200 404 404 401 401/404 200 403 404 401", (target) => ({ ...portfolio(target), account_ids: [target.accountId] }), "PORTFOLIO_NOT_FOUND"),
  row("portfolios.unlinkAccount", "portfolios:write", "204 404 404 401 401/404 204 403 404 401", (target) => ({ ...portfolio(target), account_id: target.linkedAccountId }), "PORTFOLIO_NOT_FOUND"),
  row("portfolios.holdings", "portfolios:read", "200 404 404 401 401/404 200 403 404 401", portfolio, "PORTFOLIO_NOT_FOUND"),
  row("portfolios.construct", "portfolios:write", "200 404 404 401 401/404 200 403 404 401", portfolio, "PORTFOLIO_NOT_FOUND"),
  row("portfolios.allocation", "portfolios:read", "200 404 404 401 401/404 200 403 404 401", portfolio, "PORTFOLIO_NOT_FOUND"),
  row("portfolios.drift", "portfolios:read",   "200 404 404 401 401/404 200 403 404 401", portfolio, "PORTFOLIO_NOT_FOUND"),
  row("portfolios.listSnapshots", "portfolios:read", "200 404 404 401 401/404 200 403 404 401", portfolio, "PORTFOLIO_NOT_FOUND"),
  row("portfolios.latestSnapshot", "portfolios:read", "200 404 404 401 401/404 200 403 404 401", portfolio, "PORTFOLIO_NOT_FOUND"),
  row("portfolios.takeSnapshot", "portfolios:write", "200 404 404 401 401/404 200 403 404 401", portfolio, "PORTFOLIO_NOT_FOUND"),
  row("portfolios.takeEndOfDaySnapshot", "portfolios:write", "200 404 404 401 401/404 200 403 404 401", portfolio, "PORTFOLIO_NOT_FOUND"),
  row("portfolios.takeAllSnapshots", "portfolios:write", "200 200 200 401 401/200 200 403 200 401", nothing),
  row("portfolios.listRecommendations", "portfolios:read", "200 404 404 401 401/404 200 403 404 401", portfolio, "PORTFOLIO_NOT_FOUND"),
  row("portfolios.getRecommendation", "portfolios:read", "200 404 404 401 401/404 200 403 404 401", pending, "PORTFOLIO_NOT_FOUND"),
  row("portfolios.createRecommendation", "portfolios:write", "201 404 404 401 401/404 201 403 404 401", (target) => ({ ...portfolio(target), recommendation_type: "stop_loss", rationale: "x", proposed_orders: [] }), "PORTFOLIO_NOT_FOUND"),
  row("portfolios.generateRecommendations", "portfolios:write", "200 404 404 401 401/404 200 403 404 401", portfolio, "PORTFOLIO_NOT_FOUND"),
  row("portfolios.approveRecommendation", "portfolios:write", "200 404 404 401 401/404 200 403 404 401", pending, "PORTFOLIO_NOT_FOUND"),
  row("portfolios.rejectRecommendation", "portfolios:write", "200 404 404 401 401/404 200 403 404 401", pending, "PORTFOLIO_NOT_FOUND"),
  row("portfolios.executeRecommendation", "portfolios:write", "200 404 404 401 401/404 200 403 404 401", (target) => ({ ...portfolio(target), recommendation_id: target.approvedId }), "PORTFOLIO_NOT_FOUND"),

  row("accounts.list", "accounts:read",        "200 200 200 401 401/200 200 403 403 401", nothing),
  row("accounts.create", "accounts:write",     "201 201 201 401 401/201 201 403 403 401", () => ({ name: "Cash", account_type: "manual" })),
  row("accounts.get", "accounts:read",         "200 404 404 401 401/404 200 403 403 401", account, "ACCOUNT_NOT_FOUND"),
  row("accounts.update", "accounts:write",     "200 404 404 401 401/404 200 403 403 401", (target) => ({ ...account(target), name: "Changed" }), "ACCOUNT_NOT_FOUND"),
  row("accounts.setHoldings", "accounts:write", "200 404 404 401 401/404 200 403 403 401", (target) => ({ ...account(target), holdings: [{ asset: "BTC", quantity: "1" }] }), "ACCOUNT_NOT_FOUND"),
  row("accounts.delete", "accounts:write",     "204 404 404 401 401/404 204 403 403 401", account, "ACCOUNT_NOT_FOUND"),
  row("accounts.sync", "accounts:write",       "202 404 404 401 401/404 202 403 403 401", ({ syncedAccountId: id }) => ({ id }), "ACCOUNT_NOT_FOUND"),
  row("accounts.syncAll", "accounts:write",    "202 202 202 401 401/202 202 403 403 401", nothing),
  row("accounts.getJob", "accounts:read",      "200 404 404 401 401/404 200 403 403 401", ({ jobId: id }) => ({ id }), "JOB_NOT_FOUND"),

  row("market.listEvmChains", "market:read",   "200 200 200 401 401/200 200 403 200 401", nothing),
  row("market.getEvmChain", "market:read",     "200 200 200 401 401/200 200 403 200 401", evmChain),
  row("market.createEvmChain", "market:administer", "403 403 201 401 401/403 403 403 403 401", () => ({ chain_id: randomName(), name: "New", rpc_url: "https://rpc.example.com" })),
  row("market.updateEvmChain", "market:administer", "403 403 200 401 401/403 403 403 403 401", (target) => ({ ...evmChain(target), name: "Changed" })),
  row("market.deleteEvmChain", "market:administer", "403 403 204 401 401/403 403 403 403 401", evmChain),
  row("market.listEvmTokens", "market:read",   "200 200 200 401 401/200 200 403 200 401", nothing),
  row("market.getEvmToken", "market:read",     "200 200 200 401 401/200 200 403 200 401", evmToken),
  row("market.lookupContracts", "market:read", "200 200 200 401 401/200 200 403 200 401", () => ({ symbol: "USDC" })),
  row("market.createEvmToken", "market:administer", "403 403 201 401 401/403 403 403 403 401", () => ({ chain: "ethereum", symbol: "NEW", contract_address: `0x${randomBytes(20).toString("hex")}` })),
  row("market.updateEvmToken", "market:administer", "403 403 200 401 401/403 403 403 403 401", (target) => ({ ...evmToken(target), symbol: "CHANGED" })),
  row("market.deleteEvmToken", "market:administer", "403 403 204 401 401/403 403 403 403 401", evmToken),
  row("market.syncEvmTokens", "market:administer", "403 403 200 401 401/403 403 403 403 401", nothing),
  row("market.listSolanaTokens", "market:read", "200 200 200 401 401/200 200 403 200 401", nothing),
  row("market.getSolanaToken", "market:read",  "200 200 200 401 401/200 200 403 200 401", solanaToken),
  row("market.createSolanaToken", "market:administer", "403 403 201 401 401/403 403 403 403 401", () => ({ symbol: "NEW", mint_address: getAddressDecoder().decode(randomBytes(32)) })),
  row("market.updateSolanaToken", "market:administer", "403 403 200 401 401/403 403 403 403 401", (target) => ({ ...solanaToken(target), symbol: "CHANGED" })),
  row("market.deleteSolanaToken", "market:administer", "403 403 204 401 401/403 403 403 403 401", solanaToken),
  row("market.fetchAllCoins", "market:administer", "403 403 200 401 401/403 403 403 403 401", nothing),
  row("market.listChains", "public",           "200 200 200 200 200     200 200 200 200", nothing),

  row("users.me", "profile:read",              "200 200 200 401 401     200 403 200 401", nothing),
  row("users.protected", "profile:read",       "200 200 200 401 401/200 200 403 200 401", nothing),
  row("users.updateMe", "profile:write",       "200 200 200 401 401     403 403 403 401", () => ({ display_name: "Changed" })),
  row("users.deleteMe", "profile:write",       "204 204 204 401 401/204 403 403 403 401", nothing),
  row("users.exportMe", "profile:write",       "200 200 200 401 401     403 403 403 401", nothing),

  row("auth.audit", "profile:read",            "200 200 200 401 401/200 200 403 200 401", nothing),
  row("auth.logout", "tokens:manage",          "204 204 204 401 401/204 403 403 403 401", nothing),
  row("auth.createToken", "tokens:manage",     "201 201 201 401 401     403 403 403 401", newToken),
  row("auth.createToken for a portfolio", "tokens:manage",
                                               "201 404 404 401 401     403 403 403 401", ({ portfolioId }) => ({ ...newToken(), portfolio_id: portfolioId }), "PORTFOLIO_NOT_FOUND"),
  row("auth.listTokens", "tokens:manage",      "200 200 200 401 401/200 403 403 403 401", nothing),
  row("auth.deleteToken", "tokens:manage",     "204 404 404 401 401/404 403 403 403 401", ({ tokenId: id }) => ({ id }), "TOKEN_NOT_FOUND"),

  row("auth.revokeUser", "users:administer",   "403 403 204 401 401/403 403 403 403 401", ({ userId: id }) => ({ id }), "USER_NOT_FOUND"),

  // What is sent proves itself; whoever brings it, with whichever token.
  row("auth.backchannelLogout", "public",      "200 200 200 200 200     200 200 200 200", ({ logoutToken: logout_token }) => ({ logout_token })),

  internal("auth.authenticate",       ({ accessToken: token }) => ({ token }), "404/401"),
  internal("auth.revocations",        nothing),
  internal("auth.countRequests",      () => ({ counts: { "user:matrix": 1 }, window_seconds: 60 })),
  internal("auth.record",             ({ userId: user_id, subject }) => ({ user_id, subject, act: "matrix.tested" })),
  internal("auth.exportTokens",       user),
  internal("auth.exportAudit",        user),
  internal("auth.revokeIdentities",   ({ userId: user_id, issuer, subject }) => ({ user_id, identities: [{ issuer, subject }] })),
  internal("auth.eraseUser",          user),
  internal("portfolios.exportSnapshots", user),
  internal("portfolios.exportRecommendations", user),
  internal("portfolios.accountDeleted", ({ userId, linkedAccountId }) => ({ event_id: randomUUID(), event: "accounts.deleted", aggregate_id: linkedAccountId, occurred_at: new Date().toISOString(), sequence: 1, payload: { account_id: linkedAccountId, user_id: userId } })),
  internal("market.registry",         nothing),
  internal("accounts.holdings",       ({ userId: user_id, accountId }) => ({ user_id, account_ids: [accountId] })),
  internal("accounts.exportUser",     user),
  internal("accounts.eraseUser",      user),
  internal("market.knownChains",           nothing),
  internal("market.quotes",           () => ({ assets: [{ chain: "ethereum", native: true }] })),
  internal("users.resolve",           ({ issuer, subject }) => ({ issuer, subject, profile: {}, checked_at: new Date().toISOString() })),
  internal("users.identities",        user),
  internal("portfolios.exportUser",   user),
  internal("portfolios.eraseUser",    user),
];

/** The rows of actions that take a user's token. */
export const guardedRows = rows.filter(({ scope }) => scope !== "internal" && scope !== "public");

function row(
  title: string,
  scope: string,
  cells: string,
  params: Row["params"],
  missing: ProblemCode = "ROUTE_NOT_FOUND",
): Row {
  return { action: title.split(" ", 1)[0] as string, title, scope, cells, params, missing };
}

/** Services call it for themselves: no principal matters, and over HTTP there is nothing. */
function internal(action: string, params: Row["params"], deleted = "404/200"): Row {
  const cells = callers.map((caller) => (caller === "deleted" ? deleted : "404/200"));
  return row(action, "internal", cells.join(" "), params);
}

const problemOfStatus: Readonly<Record<string, ProblemCode>> = { 401: "UNAUTHENTICATED", 403: "FORBIDDEN" };

/** What the matrix says about a row's caller. @throws when the cell is missing or says nothing. */
export function outcomeOf({ title, cells, missing }: Row, caller: Caller, over: "http" | "nats"): Outcome {
  const cell = cells.split(/\s+/)[callers.indexOf(caller)] ?? "";
  const [, http, nats = http] = /^(20[0124]|40[134])(?:\/(20[0124]|40[134]))?$/.exec(cell) ?? [];
  if (http === undefined) throw new Error(`${title}: the cell of ${caller} is missing or wrong: '${cell}'`);
  const status = Number(over === "http" ? http : nats);
  return { status, problem: status === 404 ? missing : problemOfStatus[status] };
}

/** The scopes of a row's personal access tokens. Where no such token may have the row's scope, it has all others. */
export function scopesOf({ scope }: Row, caller: "scoped" | "unscoped" | "confined"): GrantableScope[] {
  const others = GrantableScope.options.filter((each) => each !== scope);
  const isGrantable = others.length < GrantableScope.options.length;
  return isGrantable && caller !== "unscoped" ? [scope as GrantableScope] : others;
}

/** The actions of contracts, by their full names. */
export function actionsOf(contracts: readonly Contract[]) {
  return contracts.flatMap((contract) =>
    Object.entries(contract.actions).map(([name, entry]) => ({ action: `${contract.name}.${name}`, entry })),
  );
}

/** How a matrix and the contracts disagree; empty when they do not. */
export function faultsOf(matrix: readonly Row[], contracts: readonly Contract[]): string[] {
  const actions = new Map(actionsOf(contracts).map(({ action, entry }) => [action, entry]));
  const declared = new Set(matrix.map(({ action }) => action));
  const faults = [...actions.keys()].filter((action) => !declared.has(action)).map((a) => `${a} has no row`);
  for (const { action, title, scope, cells } of matrix) {
    const entry = actions.get(action);
    if (!entry) faults.push(`${title} is the row of no action`);
    else if (entry.scope !== scope)
      faults.push(`${title} has the scope ${entry.scope}, declared is ${scope}`);
    const count = cells.split(/\s+/).length;
    if (count !== callers.length)
      faults.push(`${title} has ${count} cells, there are ${callers.length} callers`);
  }
  return faults;
}

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly members: Readonly<Record<string, unknown>>;
  /** The member that is the whole body, where it is not an object of all of them. */
  readonly bodyMember?: string | undefined;
}

/** An action's routes, each filled with these parameters (what is missing stays in braces): the canonical one, its aliases, and both below `/api`. */
export function requestsOf(contracts: readonly Contract[], action: string, params: object): Request[] {
  const entry = actionsOf(contracts).find((each) => each.action === action)?.entry;
  return (entry ? routesOf(entry) : []).flatMap((route) => {
    const [method, pattern] = route.split(" ") as [string, string];
    const members: Record<string, unknown> = { ...params };
    const path = pathParameters(pattern).reduce((filled, name) => {
      const value = members[name] ?? `{${name}}`;
      delete members[name];
      return filled.replace(`{${name}}`, String(value));
    }, pattern);
    return ["", "/api"].map((prefix) => ({
      method,
      path: prefix + path,
      members,
      bodyMember: entry?.bodyMember,
    }));
  });
}
