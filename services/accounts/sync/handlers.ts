import { setTimeout as wait } from "node:timers/promises";
import type { Contract } from "../../common/contract.ts";
import type { ConnectionPool } from "../../common/database/pool.ts";
import type { Handlers } from "../../common/implement.ts";
import type { Jobs } from "../../common/jobs.ts";
import { problem } from "../../common/problem.ts";
import type { SyncReply, syncActions } from "../contract/sync.ts";
import { ownerOf } from "../owner.ts";
import { requestAllSyncs, requestSync } from "./request.ts";
import { hasEnded, jobOf, type SyncKey, type SyncRow, syncReads } from "./syncs.ts";

type SyncHandlers = Handlers<Contract<"accounts", typeof syncActions>, never>;

/** So long is a sync waited for, so that what the client reads next is fresh, */
const MAX_WAIT_MS = 3_000;
/** and never longer than this part of the time that the caller has. */
const WAIT_SHARE = 0.5;
/** The first look comes so soon, and each further one after twice as long, */
const FIRST_LOOK_MS = 20;
/** but no longer than this. */
const MAX_LOOK_MS = 200;

export interface SyncHandlerTools {
  readonly pool: ConnectionPool;
  readonly jobs: Pick<Jobs, "add">;
}

/** What the actions about syncing do. */
export function syncHandlers({ pool, jobs }: SyncHandlerTools): SyncHandlers {
  const read = syncReads(pool);

  /** The sync when an attempt has ended, or as it is after so long. No connection is held meanwhile. */
  async function untilTried(key: SyncKey, limitMs: number): Promise<SyncRow | undefined> {
    const end = performance.now() + limitMs;
    for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(2 * lookMs, MAX_LOOK_MS)) {
      const row = await read(key);
      if (!row || hasEnded(row) || isBetweenAttempts(row) || performance.now() + lookMs > end) return row;
      await wait(lookMs);
    }
  }

  return {
    async sync({ params: { id }, principal, remainingMs, once }) {
      const userId = ownerOf(principal);
      return once(
        (db) => requestSync({ db, jobs }, { id, userId }),
        async (syncId) => {
          const limitMs = Math.min(MAX_WAIT_MS, remainingMs() * WAIT_SHARE);
          const row = await untilTried({ id: syncId, userId }, limitMs);
          // Deleted meanwhile.
          if (!row) throw problem("ACCOUNT_NOT_FOUND");
          return replyOf(row);
        },
      );
    },

    async syncAll({ principal, once }) {
      const userId = ownerOf(principal);
      return once(async (db) => {
        const job_ids = await requestAllSyncs({ db, jobs }, userId);
        const account_count = job_ids.length;
        const message = `Syncing ${account_count} account${account_count === 1 ? "" : "s"}.`;
        return { message, account_count, job_ids };
      });
    },

    async getJob({ params: { id }, principal }) {
      const row = await read({ id, userId: ownerOf(principal) });
      if (!row) throw problem("JOB_NOT_FOUND");
      return jobOf(row);
    },
  };
}

/** The next attempt is further away than anybody waits. */
function isBetweenAttempts({ state, error }: SyncRow): boolean {
  return state === "queued" && error !== null;
}

const messages: Readonly<Record<SyncRow["state"], string>> = {
  queued: "The sync is queued; its job tells how it goes on.",
  running: "The sync is running; its job tells how it goes on.",
  succeeded: "The account was synced.",
  failed: "The account could not be synced; what was read before is still shown.",
};

function replyOf(row: SyncRow): SyncReply {
  const { id: job_id, account_id, state, error, holdings_count } = row;
  return {
    message: messages[state],
    account_id,
    job_id,
    state,
    ...(hasEnded(row) && { success: state === "succeeded" }),
    ...(error !== null && { error }),
    holdings_count,
  };
}
