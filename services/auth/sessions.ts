import { randomUUIDv7 } from "node:crypto";
import type { ConnectionPool } from "../common/database/pool.ts";
import type { Writing } from "../common/database/writing.ts";
import { revocationKey, soonAfterCheck } from "../common/revocation-key.ts";
import type { Act } from "./audit-trail.ts";

/** A session that goes on for longer counts as a new one in the audit trail. */
const REMEMBERED_DAYS = 30;

const NOTE = `
  with started as (
    insert into auth.sessions (key, identity_key, user_id, subject, expires_at)
    select $1, $2, $3, $6, now() + interval '${REMEMBERED_DAYS} days'
    where $10::timestamptz > ${soonAfterCheck}
    on conflict (key) do nothing
    returning user_id
  )
  insert into auth.audit_events (id, user_id, act, subject, session, address, request_id)
  select $4, user_id, $5, $6, $7, $8, $9 from started`;

const USERS_OF = `
  select distinct user_id as "userId", subject from auth.sessions
  where key = $1 or ($1 is null and identity_key = $2)`;

/**
 * Writes the beginning of a session into the audit trail when its first token is seen, and only then.
 * @param checkedAt when the token was not revoked; too long ago, the next sight of the session is its first.
 */
export async function noteSession(
  pool: ConnectionPool,
  issuer: string,
  { userId, act, subject, sessionId, address, requestId }: Act & { readonly sessionId: string },
  checkedAt: string,
): Promise<void> {
  const keys = [revocationKey(issuer, sessionId), revocationKey(issuer, subject)];
  const values = [...keys, userId, randomUUIDv7(), act, subject, sessionId, address, requestId, checkedAt];
  await pool.query({ name: "auth.sessions.note", text: NOTE, values });
}

/** The users of a session that was seen, or of all sessions of a subject where no session is named. */
export function usersOf(
  db: Pick<Writing, "query">,
  known: { issuer: string; subject?: string | undefined; sessionId?: string | undefined },
): Promise<{ userId: string; subject: string }[]> {
  const { issuer, subject, sessionId } = known;
  const values = [sessionId, subject].map((name) =>
    name === undefined ? null : revocationKey(issuer, name),
  );
  return db.query({ name: "auth.sessions.users-of", text: USERS_OF, values });
}
