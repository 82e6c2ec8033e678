import type { Database } from "../common/database/database.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import { retryConflicts } from "../common/database/retry.ts";

/** Deletes what is kept of a user here, the audit trail included: its trigger lets go of this user's rows only. */
export function eraseUser(database: Database, userId: string): Promise<void> {
  return retryConflicts(() =>
    database.fork().transactional(async (em) => {
      await em.execute("select set_config('auth.erasing_user', ?, true)", [userId]);
      for (const table of ["audit_events", "personal_access_tokens", "sessions", "idempotency_keys"]) {
        await em.execute(`delete from auth.${table} where user_id = ?`, [userId]);
      }
      await em.execute("delete from auth.request_counts where caller = ?", [`user:${userId}`]);
    }),
  );
}

/** Deletes what has lost its meaning with time. */
export async function forgetExpired(pool: ConnectionPool): Promise<void> {
  for (const table of ["revocations", "logout_tokens", "sessions", "personal_access_tokens"]) {
    await pool.query({ text: `delete from auth.${table} where expires_at < now()` });
  }
}
