import type { ConnectionPool } from "../common/database/pool.ts";
import type { Preferences, Profile } from "./contract.ts";

/** What is kept of a user: what tokens say, and what the user has set. */
export interface User extends Profile, Preferences {
  readonly version: number;
}

interface Row {
  readonly email: string | null;
  readonly email_verified: boolean | null;
  readonly preferred_username: string | null;
  readonly display_name: string | null;
  readonly base_currency: string;
  readonly time_zone: string;
  readonly version: number;
}

/** A member that is undefined stays as it is; null clears a display name. */
export interface PreferenceChanges {
  readonly display_name?: string | null | undefined;
  readonly base_currency?: string | undefined;
  readonly time_zone?: string | undefined;
}

const COLUMNS = "email, email_verified, preferred_username, display_name, base_currency, time_zone, version";

const FIND = `select ${COLUMNS} from users.users where id = $1`;

const CHANGE = `
  update users.users
  set display_name = case when $2 then $3 else display_name end,
      base_currency = coalesce($4, base_currency),
      time_zone = coalesce($5, time_zone),
      updated_at = now(), version = version + 1
  where id = $1 and ($6::int is null or version = $6)
  returning ${COLUMNS}`;

/** The user of that id; undefined when there is none. */
export async function findUser(pool: ConnectionPool, userId: string): Promise<User | undefined> {
  const [row] = await pool.query<Row>({ name: "users.find", text: FIND, values: [userId] });
  return row && userOf(row);
}

/** Changes what a user has set. Undefined when there is no such user, or none of that version. */
export async function changePreferences(
  pool: ConnectionPool,
  userId: string,
  { display_name, base_currency, time_zone }: PreferenceChanges,
  version: number | undefined,
): Promise<User | undefined> {
  const [row] = await pool.query<Row>({
    name: "users.change-preferences",
    text: CHANGE,
    values: [
      userId,
      display_name !== undefined,
      display_name ?? null,
      base_currency ?? null,
      time_zone ?? null,
      version ?? null,
    ],
  });
  return row && userOf(row);
}

/** What is absent is left out. */
function userOf({ base_currency, time_zone, version, ...row }: Row): User {
  return {
    ...(row.email !== null && { email: row.email }),
    ...(row.email_verified !== null && { email_verified: row.email_verified }),
    ...(row.preferred_username !== null && { preferred_username: row.preferred_username }),
    ...(row.display_name !== null && { display_name: row.display_name }),
    base_currency,
    time_zone,
    version,
  };
}
