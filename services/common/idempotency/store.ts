import type { ConnectionPool } from "../database/pool.ts";
import { LOCK_NOT_AVAILABLE, sqlStateOf } from "../database/sql-states.ts";
import type { Query } from "../database/transaction.ts";
import { problem } from "../problem.ts";
import type { Claim } from "./claim.ts";

/** How long a key is remembered. */
const KEPT_HOURS = 24;
/** So many are forgotten by one statement, and so many statements follow each other at most. */
const FORGOTTEN_AT_ONCE = 5_000;
const MAX_STATEMENTS = 100;

/** What is known of a key. */
export interface Found {
  readonly isSameBody: boolean;
  readonly done: Buffer | null;
  readonly result: Buffer | null;
}

/** What is stored with the effect: the reply, or what it is made of. */
export interface Kept {
  readonly done?: Buffer;
  readonly result?: Buffer;
}

/** Another request has the key, and has ended in the meantime. */
export class Taken extends Error {
  override readonly name = "Taken";
}

const ONE = "user_id = $1 and action = $2 and key_hash = $3";

/** A service's statements on the keys that it has seen. */
export function keyStore(service: string) {
  const statements = statementsOf(service);
  const place = ({ userId, action, key }: Claim) => [userId, action, key];

  return {
    /** What is known of the key. */
    async find(query: Query, claim: Claim): Promise<Found | undefined> {
      const values = [...place(claim), claim.body];
      const [found] = await query<Found & Record<string, unknown>>({ ...statements.find, values });
      return found;
    },

    /**
     * Takes the key for the rest of the transaction, once whoever has it has ended.
     * @throws Taken when that one has succeeded; IDEMPOTENCY_KEY_IN_USE when it has not ended after so long.
     */
    async claim(query: Query, claim: Claim, waitMs: number): Promise<void> {
      const limit = String(Math.max(1, Math.floor(waitMs)));
      const values = [...place(claim), claim.body, limit];
      const claimed = await query({ ...statements.claim, values }).catch((error: unknown) => {
        throw sqlStateOf(error) === LOCK_NOT_AVAILABLE ? problem("IDEMPOTENCY_KEY_IN_USE") : error;
      });
      if (claimed.length === 0) throw new Taken("The key was used in the meantime.");
    },

    /** Stores what belongs to the effect, in its transaction. */
    async keep(query: Query, claim: Claim, { done, result }: Kept): Promise<void> {
      await query({ ...statements.keep, values: [...place(claim), done ?? null, result ?? null] });
    },

    /** Stores a reply that took more than the transaction. @returns the reply that was stored first. */
    async settle(query: Query, claim: Claim, result: Buffer): Promise<Buffer> {
      const values = [...place(claim), result];
      const [settled] = await query<{ result: Buffer }>({ ...statements.settle, values });
      return settled?.result ?? result;
    },

    /** Deletes what has been kept for long enough. */
    async forgetExpired(pool: ConnectionPool): Promise<void> {
      for (let count = 0; count < MAX_STATEMENTS; count += 1) {
        const forgotten = await pool.query(statements.forget);
        if (forgotten.length < FORGOTTEN_AT_ONCE) return;
      }
    },
  };
}

/** Deletes what is kept of a user's keys. */
export async function eraseKeys(query: Query, service: string, userId: string): Promise<void> {
  await query({
    name: `${service}.idempotency.erase-user`,
    text: `delete from ${service}.idempotency_keys where user_id = $1`,
    values: [userId],
  });
}

function statementsOf(service: string) {
  const table = `${service}.idempotency_keys`;
  const expired = (row: string) => `${row}.created_at <= now() - interval '${KEPT_HOURS} hours'`;
  const named = (name: string, text: string) => ({ name: `${service}.idempotency.${name}`, text });
  return {
    find: named(
      "find",
      `select body_hash = $4 as "isSameBody", done, result from ${table} k where ${ONE} and not ${expired("k")}`,
    ),
    // The wait for whoever has the key just now ends after so long; the transaction's other waits have no such limit.
    claim: named(
      "claim",
      `with patience as materialized (select set_config('lock_timeout', $5, true) as limit_ms)
      insert into ${table} as k (user_id, action, key_hash, body_hash)
      select $1::uuid, $2::text, $3::bytea, $4::bytea from patience where limit_ms is not null
      on conflict (user_id, action, key_hash) do update
        set body_hash = excluded.body_hash, done = null, result = null, created_at = now()
        where ${expired("k")}
      returning set_config('lock_timeout', '0', true)`,
    ),
    keep: named("keep", `update ${table} set done = $4, result = $5 where ${ONE}`),
    // Of two replies to one request the first is kept, and both are answered with it.
    settle: named(
      "settle",
      `update ${table} set result = coalesce(result, $4::bytea) where ${ONE} returning result`,
    ),
    forget: named(
      "forget",
      `delete from ${table} where ctid in (
        select ctid from ${table} k where ${expired("k")} order by created_at limit ${FORGOTTEN_AT_ONCE}
        for update skip locked
      ) returning 1`,
    ),
  };
}
