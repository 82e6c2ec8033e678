import { z } from "zod";
import type { Query } from "../../common/database/transaction.ts";
import type { Jobs } from "../../common/jobs.ts";
import { Uuid } from "../../common/values.ts";

/** The names of this service's tasks. */
export const SYNC_TASK = "sync";
export const TEND_TASK = "tend_syncs";

/** All that a job of `sync` carries. */
export const SyncPayload = z.strictObject({ sync_id: Uuid });

/** What a provider does wrong is counted by ourselves; this many are for a database that fails in the middle. */
const MAX_ATTEMPTS = 10;
/** Behind those that a user waits for. */
const SCHEDULED_PRIORITY = 10;

export interface SyncJobOptions {
  readonly runAt?: Date;
  readonly isScheduled?: boolean;
  /** One that waits already keeps its time. */
  readonly keepsTime?: boolean;
}

/** Stores the job that runs a sync; of one sync there is one that waits. */
export async function addSyncJob(
  jobs: Pick<Jobs, "add">,
  query: Query,
  syncId: string,
  { runAt, isScheduled = false, keepsTime = false }: SyncJobOptions = {},
): Promise<void> {
  await jobs.add(query, SYNC_TASK, { sync_id: syncId } satisfies z.infer<typeof SyncPayload>, {
    key: syncId,
    keyMode: keepsTime ? "preserve_run_at" : "replace",
    maxAttempts: MAX_ATTEMPTS,
    priority: isScheduled ? SCHEDULED_PRIORITY : 0,
    ...(runAt && { runAt }),
  });
}

/** So many seconds from now. */
export function afterSeconds(seconds: number): Date {
  return new Date(Date.now() + seconds * 1000);
}
