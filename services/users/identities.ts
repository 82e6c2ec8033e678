import { randomUUIDv7 } from "node:crypto";
import type { ConnectionPool } from "../common/database/pool.ts";
import { storing } from "../common/events/outbox.ts";
import type { Events } from "../common/events.ts";
import { soonAfterCheck } from "../common/revocation-key.ts";
import type { Identity, Profile, users } from "./contract.ts";

/** What users are written with. */
export interface UserStore {
  readonly pool: ConnectionPool;
  readonly events: Pick<Events<typeof users>, "valuesOf">;
}

/** An identity with what its token says. */
export interface Sighting {
  readonly identity: Identity;
  readonly profile: Profile;
  /** When the token was not revoked, by the database's clock. */
  readonly checkedAt: string;
}

interface UserRow {
  readonly position: string;
  readonly user_id: string;
  readonly email: string | null;
  readonly email_verified: boolean | null;
  readonly preferred_username: string | null;
}

const FIND = `
  select seen.position, u.id as user_id, u.email, u.email_verified, u.preferred_username
  from unnest($1::text[], $2::text[]) with ordinality as seen (issuer, subject, position)
  join users.identities i on i.issuer = seen.issuer and i.subject = seen.subject
  join users.users u on u.id = i.user_id`;

// Not by a token that may have been revoked since, with its user deleted: by a process that froze in between, say.
// Who loses a race inserts nothing; the next FIND sees the winner's row. The foreign key is checked at the statement's end.
const CREATE = `
  with seen as (
    select * from unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::boolean[], $6::text[], $7::timestamptz[])
      as seen (issuer, subject, user_id, email, email_verified, preferred_username, checked_at)
  ), created as (
    insert into users.identities (issuer, subject, user_id)
    select issuer, subject, user_id from seen where checked_at > ${soonAfterCheck} order by issuer, subject
    on conflict do nothing
    returning user_id as id
  ), told as (${storing("users", 8, "created")})
  insert into users.users (id, email, email_verified, preferred_username)
  select created.id, email, email_verified, preferred_username from seen join created on created.id = seen.user_id`;

// Locked in one order, so that replicas that update the same users wait for each other and do not deadlock.
const FOLLOW_TOKEN = `
  with seen as (
    select * from unnest($1::uuid[], $2::text[], $3::boolean[], $4::text[])
      as seen (id, email, email_verified, preferred_username)
  ), locked as (
    select id from users.users where id = any($1) order by id for update
  )
  update users.users u
  set email = coalesce(seen.email, u.email),
      email_verified = coalesce(seen.email_verified, u.email_verified),
      preferred_username = coalesce(seen.preferred_username, u.preferred_username),
      updated_at = now(), version = version + 1
  from seen join locked using (id)
  where u.id = seen.id`;

/**
 * The user ids of many identities, in their order: found, or created at their first sight. Any number of replicas may
 * do this at once for the same identity: the primary key decides, and all get the same id.
 * Undefined where there is no user, and the token was checked too long ago to create one.
 * @param askedAt since when the first of them has been waiting, as `performance.now()` gave it.
 */
export async function resolveUsers(
  store: UserStore,
  sightings: readonly Sighting[],
  askedAt?: number,
): Promise<(string | undefined)[]> {
  const { pool } = store;
  const found = await find(pool, sightings, askedAt);
  const unknown = sightings.filter((_, position) => !found.has(position));
  if (unknown.length > 0) {
    await create(store, unknown);
    const again = await find(pool, sightings);
    for (const [position, row] of again) found.set(position, row);
  }
  await followTokens(pool, sightings, found);
  return sightings.map((_, position) => found.get(position)?.user_id);
}

/** The identities of a user, by which the user's tokens are known; none when there is no such user. */
export function identitiesOf(pool: ConnectionPool, userId: string): Promise<Identity[]> {
  return pool.query<Identity>({
    name: "users.identities.of-user",
    text: "select issuer, subject from users.identities where user_id = $1 order by issuer, subject",
    values: [userId],
  });
}

async function find(
  pool: ConnectionPool,
  sightings: readonly Sighting[],
  askedAt?: number,
): Promise<Map<number, UserRow>> {
  const values = [
    sightings.map(({ identity }) => identity.issuer),
    sightings.map(({ identity }) => identity.subject),
  ];
  const rows = await pool.query<UserRow>({ name: "users.identities.find", text: FIND, values }, askedAt);
  return new Map(rows.map((row) => [Number(row.position) - 1, row]));
}

async function create({ pool, events }: UserStore, sightings: readonly Sighting[]): Promise<void> {
  // Of several of one identity, what was checked last.
  const inOrder = sightings.toSorted((one, other) => (one.checkedAt < other.checkedAt ? -1 : 1));
  const distinct = [...new Map(inOrder.map((sighting) => [keyOf(sighting.identity), sighting])).values()];
  const ids = distinct.map(() => randomUUIDv7());
  const created = ids.map((id) => ({ aggregateId: id, payload: { user_id: id } }));
  await pool.query({
    name: "users.identities.create",
    text: CREATE,
    values: [
      distinct.map(({ identity }) => identity.issuer),
      distinct.map(({ identity }) => identity.subject),
      ids,
      distinct.map(({ profile }) => profile.email ?? null),
      distinct.map(({ profile }) => profile.email_verified ?? null),
      distinct.map(({ profile }) => profile.preferred_username ?? null),
      distinct.map(({ checkedAt }) => checkedAt),
      ...events.valuesOf("users.created", created),
    ],
  });
}

/** E-mail address and name are the issuer's to say: when a token brings others, they change here. What it leaves out stays. */
async function followTokens(
  pool: ConnectionPool,
  sightings: readonly Sighting[],
  found: ReadonlyMap<number, UserRow>,
): Promise<void> {
  const changed = new Map<string, Profile>();
  for (const [position, { profile }] of sightings.entries()) {
    const user = found.get(position);
    if (user && bringsNews(user, profile)) changed.set(user.user_id, profile);
  }
  if (changed.size === 0) return;
  const profiles = [...changed.values()];
  await pool.query({
    name: "users.follow-token",
    text: FOLLOW_TOKEN,
    values: [
      [...changed.keys()],
      profiles.map(({ email }) => email ?? null),
      profiles.map(({ email_verified }) => email_verified ?? null),
      profiles.map(({ preferred_username }) => preferred_username ?? null),
    ],
  });
}

function bringsNews(user: UserRow, profile: Profile): boolean {
  const claims = ["email", "email_verified", "preferred_username"] as const;
  return claims.some((claim) => profile[claim] !== undefined && profile[claim] !== user[claim]);
}

function keyOf({ issuer, subject }: Identity): string {
  return JSON.stringify([issuer, subject]);
}
