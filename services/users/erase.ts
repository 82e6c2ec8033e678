import { setTimeout as wait } from "node:timers/promises";
import type { accounts } from "../accounts/contract.ts";
import type { auth } from "../auth/contract.ts";
import type { Call } from "../common/contract.ts";
import { storing } from "../common/events/outbox.ts";
import type { portfolios } from "../portfolios/contract.ts";
import { identitiesOf, type UserStore } from "./identities.ts";

/**
 * Every gateway refuses a revoked token within this; what one let in before is done by then, and is found. And nothing more
 * is written for a token that was checked before (`soonAfterCheck`).
 */
const REVOKED_WITHIN_MS = 2_000;

const ERASE = `
  with gone as (delete from users.users where id = $1 returning id)
  ${storing("users", 2, "gone")}`;

/**
 * Deletes a user everywhere. Each step may be repeated, and the user's own row goes last: if one fails, the user is
 * still there and can ask again. Tokens stop working first, so that nothing is written behind the erasure's back.
 */
export async function eraseUser(
  { pool, events }: UserStore,
  call: Call<typeof auth | typeof portfolios | typeof accounts>,
  userId: string,
): Promise<void> {
  await call("auth.revokeIdentities", { user_id: userId, identities: await identitiesOf(pool, userId) });
  await wait(REVOKED_WITHIN_MS);
  await call("portfolios.eraseUser", { user_id: userId });
  await call("accounts.eraseUser", { user_id: userId });
  await call("auth.eraseUser", { user_id: userId });
  const told = events.valuesOf("users.deleted", [{ aggregateId: userId, payload: { user_id: userId } }]);
  await pool.query({ name: "users.erase", text: ERASE, values: [userId, ...told] });
}
