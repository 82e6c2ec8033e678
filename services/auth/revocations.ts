import { coalesce } from "../common/database/coalesce.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import { isoTime } from "../common/database/times.ts";
import type { Writing } from "../common/database/writing.ts";
import { storing } from "../common/events/outbox.ts";
import type { Events } from "../common/events.ts";
import type { RevocationKeys, RevocationKind } from "../common/revocation-key.ts";
import { type auth, MAX_REVOCATIONS, type Revocation, type RevocationPosition } from "./contract.ts";

/** What revocations are written with. */
export interface RevocationStore {
  readonly db: Pick<Writing, "query">;
  readonly events: Pick<Events<typeof auth>, "valuesOf">;
}

export interface NewRevocation {
  readonly kind: RevocationKind;
  readonly key: string;
  /** When the last token that it concerns has ended anyway; kept until then. */
  readonly expiresAt: Date;
}

/** What a token is asked about: its keys, and when it was issued, in seconds since 1970. */
export interface RevocationQuestion {
  readonly keys: RevocationKeys;
  readonly issuedAt: number;
}

const REVOKE = `
  with told as (${storing("auth", 4)})
  insert into auth.revocations as r (kind, key, expires_at)
  select * from unnest($1::text[], $2::text[], $3::timestamptz[])
  on conflict (kind, key) do update
    set revoked_at = now(), expires_at = greatest(r.expires_at, excluded.expires_at)`;

// A token's issue time has whole seconds: one that was issued in the second of the revocation counts as before it.
// The moment is from before what the statement sees.
const REVOKED = `
  select statement_timestamp() as "checkedAt", array(select distinct asked.position
  from unnest($1::text[], $2::text[], $3::text[], $4::float8[])
    with ordinality as asked (session, token, identity, issued_at, position)
  join auth.revocations r
    on (r.kind = 'session' and r.key = asked.session)
    or (r.kind = 'token' and r.key = asked.token)
    or (r.kind = 'identity' and r.key = asked.identity and to_timestamp(asked.issued_at) <= r.revoked_at)
  )::int[] as revoked`;

const LIST = `
  select kind, key, revoked_at, expires_at from auth.revocations
  where expires_at > now() and (revoked_at, kind, key) > ($1::timestamptz, $2, $3)
  order by revoked_at, kind, key
  limit $4`;

/** Refuses from now on what these name. */
export async function revoke(
  { db, events }: RevocationStore,
  revocations: readonly NewRevocation[],
): Promise<void> {
  if (revocations.length === 0) return;
  await db.query({
    name: "auth.revocations.revoke",
    text: REVOKE,
    values: [
      revocations.map(({ kind }) => kind),
      revocations.map(({ key }) => key),
      revocations.map(({ expiresAt }) => expiresAt.toISOString()),
      ...toldOf(events, revocations),
    ],
  });
}

/** The values that `storing` takes in a statement that revokes. */
export function toldOf(
  events: RevocationStore["events"],
  revocations: readonly Pick<NewRevocation, "kind" | "key">[],
): unknown[] {
  const occurrences = revocations.map(({ kind, key }) => ({ aggregateId: key, payload: { kind, key } }));
  return events.valuesOf("auth.session_revoked", occurrences);
}

/** Whether a token is revoked, and when that was so, by the database's clock. */
export interface RevocationAnswer {
  readonly isRevoked: boolean;
  readonly checkedAt: string;
}

/** Makes the question whether a token is revoked; those asked at the same time share a statement. */
export function revocationCheck(
  pool: ConnectionPool,
): (question: RevocationQuestion) => Promise<RevocationAnswer> {
  return coalesce<RevocationQuestion, RevocationAnswer>({
    maxBatchSize: 500,
    maxBatches: 2,
    read: async (questions, askedAt) => {
      const values = [
        questions.map(({ keys }) => keys.session ?? null),
        questions.map(({ keys }) => keys.token ?? null),
        questions.map(({ keys }) => keys.identity),
        questions.map(({ issuedAt }) => issuedAt),
      ];
      const statement = { name: "auth.revocations.revoked", text: REVOKED, values };
      const [row] = await pool.query<RevokedRow>(statement, askedAt);
      const { checkedAt, revoked } = row as RevokedRow;
      return questions.map((_, at) => ({
        isRevoked: revoked.includes(at + 1),
        checkedAt: isoTime(checkedAt),
      }));
    },
  });
}

interface RevokedRow {
  readonly checkedAt: string;
  /** Positions, from 1. */
  readonly revoked: readonly number[];
}

/** What is revoked, oldest first, after a position. */
export async function listRevocations(
  pool: ConnectionPool,
  after: RevocationPosition = { revoked_at: "-infinity", kind: "session", key: "" },
): Promise<Revocation[]> {
  const rows = await pool.query<Record<keyof Revocation, string>>({
    name: "auth.revocations.list",
    text: LIST,
    values: [after.revoked_at, after.kind, after.key, MAX_REVOCATIONS],
  });
  return rows.map(({ kind, key, revoked_at, expires_at }) => ({
    kind: kind as RevocationKind,
    key,
    revoked_at: isoTime(revoked_at),
    expires_at: isoTime(expires_at),
  }));
}
