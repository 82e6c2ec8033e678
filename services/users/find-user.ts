import type { ConnectionPool } from "../common/database/pool.ts";
import type { Profile } from "./contract.ts";

const FIND = {
  name: "users.find",
  text: "select email, email_verified, preferred_username from users.users where id = $1",
};

/** What is known of a user; undefined when there is none of that id. */
export async function findUser(pool: ConnectionPool, userId: string): Promise<Profile | undefined> {
  const [row] = await pool.query<Record<keyof Profile, never>>({ ...FIND, values: [userId] });
  if (!row) return undefined;
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}
