import { randomUUIDv7 } from "node:crypto";
import type { ConnectionPool } from "../common/database/pool.ts";
import type { Act } from "./audit-trail.ts";

/** A session that goes on for longer counts as a new one in the audit trail. */
const REMEMBERED_DAYS = 30;

const NOTE = `
  with started as (
    insert into auth.sessions (key, user_id, expires_at)
    values ($1, $2, now() + interval '${REMEMBERED_DAYS} days')
    on conflict (key) do nothing
    returning user_id
  )
  insert into auth.audit_events (id, user_id, act, subject, session, address, request_id)
  select $3, user_id, $4, $5, $6, $7, $8 from started`;

/** Writes the beginning of a session into the audit trail when its first token is seen, and only then. */
export async function noteSession(pool: ConnectionPool, key: string, act: Act): Promise<void> {
  const { userId, subject, sessionId, address, requestId } = act;
  await pool.query({
    name: "auth.sessions.note",
    text: NOTE,
    values: [key, userId, randomUUIDv7(), act.act, subject, sessionId, address, requestId],
  });
}
