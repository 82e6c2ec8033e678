import { randomUUIDv7 } from "node:crypto";
import type { Position } from "../common/database/cursor.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import { isoTime } from "../common/database/times.ts";
import type { Writing } from "../common/database/writing.ts";
import type { AuditEvent } from "./contract.ts";

/** Who did what, and from where. */
export interface Act {
  readonly userId: string;
  /** `token.created`, or the action of a write by a personal access token: `portfolios.create`. */
  readonly act: string;
  readonly subject: string;
  readonly sessionId?: string | undefined;
  readonly tokenId?: string | undefined;
  readonly address?: string | undefined;
  readonly requestId?: string | undefined;
  readonly details?: Readonly<Record<string, string>> | undefined;
}

/** A row of the table; `created_at` is when it happened. */
export interface AuditRow {
  readonly id: string;
  readonly created_at: string;
  readonly act: string;
  readonly subject: string;
  readonly session: string | null;
  readonly token_id: string | null;
  readonly address: string | null;
  readonly request_id: string | null;
  readonly details: Record<string, string> | null;
}

const RECORD = `
  insert into auth.audit_events (id, user_id, act, subject, session, token_id, address, request_id, details)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`;

const LIST = `
  select id, occurred_at as created_at, act, subject, session, token_id, address, request_id, details
  from auth.audit_events
  where user_id = $1 and (occurred_at, id) < ($2, $3)
  order by occurred_at desc, id desc
  limit $4`;

/** Writes an act down. It stays as it is: the table takes no changes. */
export async function recordAct(db: Pick<Writing, "query">, act: Act): Promise<void> {
  const { userId, subject, sessionId, tokenId, address, requestId, details } = act;
  await db.query({
    name: "auth.audit.record",
    text: RECORD,
    values: [randomUUIDv7(), userId, act.act, subject, sessionId, tokenId, address, requestId, details],
  });
}

/** After every act. */
export const NEWEST: Position = { createdAt: "infinity", id: "ffffffff-ffff-ffff-ffff-ffffffffffff" };

/** A user's acts, the newest first, before a position. */
export async function listActs(
  pool: ConnectionPool,
  userId: string,
  before: Position,
  limit: number,
): Promise<AuditRow[]> {
  const values = [userId, before.createdAt, before.id, limit];
  return pool.query<AuditRow>({ name: "auth.audit.list", text: LIST, values });
}

/** The wire's form of a row: what is absent is left out. */
export function auditEventOf({ id, created_at, act, subject, ...row }: AuditRow): AuditEvent {
  return {
    id,
    occurred_at: isoTime(created_at),
    act,
    subject,
    ...(row.session !== null && { session_id: row.session }),
    ...(row.token_id !== null && { token_id: row.token_id }),
    ...(row.address !== null && { address: row.address }),
    ...(row.request_id !== null && { request_id: row.request_id }),
    ...(row.details !== null && { details: row.details }),
  };
}
