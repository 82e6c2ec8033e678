import { createHash, randomBytes, randomUUIDv7 } from "node:crypto";
import type { Position } from "../common/database/cursor.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import { isoTime } from "../common/database/times.ts";
import type { Writing } from "../common/database/writing.ts";
import type { GrantableScope } from "../common/principal.ts";
import type { Identity } from "../users/contract.ts";
import {
  MAX_TOKEN_LIFETIME_DAYS,
  PERSONAL_ACCESS_TOKEN_PREFIX,
  type PersonalAccessToken,
} from "./contract.ts";

export interface NewToken {
  readonly name: string;
  readonly scopes: readonly GrantableScope[];
  readonly portfolio_id?: string | undefined;
  readonly expires_at: string;
}

/** A row of the table, as our own statements read it. */
export interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly scopes: GrantableScope[];
  readonly portfolio_id: string | null;
  readonly created_at: string;
  readonly expires_at: string;
  readonly last_used_at: string | null;
}

/** A token as it authenticates: whose it is and what it may do. */
export interface TokenOwner extends TokenRow {
  readonly user_id: string;
  readonly issuer: string;
  readonly subject: string;
}

/** More than anyone needs; it bounds what one user can make us store. */
const MAX_TOKENS_PER_USER = 100;

const COLUMNS = "id, name, scopes, portfolio_id, created_at, expires_at, last_used_at";

const CREATE = `
  insert into auth.personal_access_tokens (id, user_id, issuer, subject, name, hash, scopes, portfolio_id, expires_at)
  select $1, $2, $3, $4, $5, $6, $7, $8, $9
  where (select count(*) from auth.personal_access_tokens where user_id = $2) < ${MAX_TOKENS_PER_USER}
  returning ${COLUMNS}`;

const LIST = `
  select ${COLUMNS} from auth.personal_access_tokens
  where user_id = $1 and (created_at, id) > ($2, $3)
  order by created_at, id
  limit $4`;

// Written at most once a minute, so that a busy token does not become a busy row.
const USE = `
  with owner as (
    select user_id, issuer, subject, ${COLUMNS} from auth.personal_access_tokens where hash = $1 and expires_at > now()
  ), used as (
    update auth.personal_access_tokens t set last_used_at = now() from owner
    where t.id = owner.id and (owner.last_used_at is null or owner.last_used_at < now() - interval '1 minute')
  )
  select * from owner`;

const DELETE = `
  delete from auth.personal_access_tokens where id = $1 and user_id = $2 returning issuer`;

/** Makes a token. It is answered once, here; what is stored is its hash. Undefined when the user has too many. */
export async function createToken(
  db: Pick<Writing, "query">,
  userId: string,
  { issuer, subject }: Identity,
  { name, scopes, portfolio_id, expires_at }: NewToken,
): Promise<(PersonalAccessToken & { readonly token: string }) | undefined> {
  const token = PERSONAL_ACCESS_TOKEN_PREFIX + randomBytes(32).toString("base64url");
  const [row] = await db.query<TokenRow>({
    name: "auth.tokens.create",
    text: CREATE,
    values: [randomUUIDv7(), userId, issuer, subject, name, hashOf(token), scopes, portfolio_id, expires_at],
  });
  return row && { ...tokenOf(row), token };
}

export async function listTokens(
  pool: ConnectionPool,
  userId: string,
  after: Position,
  limit: number,
): Promise<TokenRow[]> {
  const values = [userId, after.createdAt, after.id, limit];
  return pool.query<TokenRow>({ name: "auth.tokens.list", text: LIST, values });
}

/** Whose token this is, if it is one and has not expired; its use is noted. */
export async function useToken(pool: ConnectionPool, token: string): Promise<TokenOwner | undefined> {
  const [owner] = await pool.query<TokenOwner>({
    name: "auth.tokens.use",
    text: USE,
    values: [hashOf(token)],
  });
  return owner;
}

/** Deletes a user's token. False when there is no such token of this user. */
export async function deleteToken(
  pool: ConnectionPool,
  userId: string,
  id: string,
): Promise<{ issuer: string } | undefined> {
  const [row] = await pool.query<{ issuer: string }>({
    name: "auth.tokens.delete",
    text: DELETE,
    values: [id, userId],
  });
  return row;
}

/** Whether a token may end then: in the future, and within a year. */
export function isWithinAYear(expiresAt: string): boolean {
  const remainingMs = Date.parse(expiresAt) - Date.now();
  return remainingMs > 0 && remainingMs <= MAX_TOKEN_LIFETIME_DAYS * 86_400_000;
}

/** 256 random bits need no slow hash: there is nothing to guess. */
function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

/** The wire's form of a row: what is absent is left out. */
export function tokenOf({
  portfolio_id,
  created_at,
  expires_at,
  last_used_at,
  ...row
}: TokenRow): PersonalAccessToken {
  return {
    ...row,
    ...(portfolio_id !== null && { portfolio_id }),
    created_at: isoTime(created_at),
    expires_at: isoTime(expires_at),
    ...(last_used_at !== null && { last_used_at: isoTime(last_used_at) }),
  };
}
