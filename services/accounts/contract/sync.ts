import { z } from "zod";
import type { ActionEntries } from "../../common/contract.ts";
import { Time, Uuid } from "../../common/values.ts";

/*
 * Terms. *Sync*: reading an account from its exchange or chains, and replacing what was known of it. *Job*: one sync
 * that was asked for or was due; it is *queued* until it runs, and again between its attempts, and ends as *succeeded*
 * or *failed*. An account has one open job at most: who asks for another is given that one.
 */

export const JobState = z.enum(["queued", "running", "succeeded", "failed"]);
export type JobState = z.infer<typeof JobState>;

const error = z
  .string()
  .optional()
  .meta({ description: "What went wrong at the last attempt, for the user." });
const holdings_count = z.int().min(0).meta({ description: "How many holdings are stored now." });

export const Job = z.strictObject({
  id: Uuid,
  account_id: Uuid,
  state: JobState,
  success: z.boolean().meta({ description: "It has succeeded." }),
  error,
  holdings_count,
  attempts: z.int().min(0),
  created_at: Time,
  started_at: Time.optional(),
  finished_at: Time.optional(),
});
export type Job = z.infer<typeof Job>;

/** Existing clients take a reply with `account_id` for done, print `holdings_count`, and show `error`. */
export const SyncReply = z.strictObject({
  message: z.string(),
  account_id: Uuid,
  job_id: Uuid,
  state: JobState,
  success: z.boolean().optional().meta({ description: "Left out while the job goes on." }),
  error,
  holdings_count,
});
export type SyncReply = z.infer<typeof SyncReply>;

export const SyncAllReply = z.strictObject({
  message: z.string(),
  account_count: z.int().min(0).meta({ description: "How many accounts are active and can be synced." }),
  job_ids: z.array(Uuid),
});
export type SyncAllReply = z.infer<typeof SyncAllReply>;

const ById = z.strictObject({ id: Uuid });

/** What brings accounts up to date. */
export const syncActions = {
  sync: {
    summary:
      "Read an account anew from its exchange or chains. Waits a moment for it; the job tells the rest.",
    scope: "accounts:write",
    http: "POST /v1/accounts/{id}/sync",
    status: 202,
    params: ById,
    result: SyncReply,
    problems: ["ACCOUNT_NOT_FOUND", "ACCOUNT_NOT_SYNCABLE"],
  },
  syncAll: {
    summary: "Read all of the caller's active accounts anew; a job for each tells how it went.",
    scope: "accounts:write",
    http: "POST /v1/accounts/sync-all",
    status: 202,
    params: z.strictObject({}),
    result: SyncAllReply,
  },
  getJob: {
    summary: "Tell how the sync of an account goes, or went; the latest 20 of each account are kept.",
    scope: "accounts:read",
    http: "GET /v1/jobs/{id}",
    params: ById,
    result: Job,
    problems: ["JOB_NOT_FOUND"],
  },
} as const satisfies ActionEntries;

/** The facts that syncing makes known. */
export const syncEvents = {
  "accounts.synced": z.strictObject({
    account_id: Uuid,
    user_id: Uuid,
    success: z.boolean(),
    holdings_count: z.int().min(0),
  }),
} as const;
