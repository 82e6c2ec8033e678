import { z } from "zod";
import type { ActionEntries } from "../../common/contract.ts";
import { PageParams, pageOf, Time, Uuid } from "../../common/values.ts";
import { AllocatedAsset, Quantity } from "./holdings.ts";

/*
 * Terms. *Snapshot*: what a portfolio held and what that was worth at one moment, an own copy that nothing changes any
 * more; there is one per portfolio, day and type, and a newer one takes its place. *Manual*: somebody asked for it.
 * *Hourly*, *eod* (end of day): taken by schedule, of portfolios with accounts; `hourly` is the day's latest hour. *Day*:
 * in UTC. What a schedule missed is taken late, for the day that it was due on; `snapshot_time` tells when it was valued.
 */

export const SnapshotType = z.enum(["manual", "hourly", "eod"]);
export type SnapshotType = z.infer<typeof SnapshotType>;

/** PostgreSQL knows no year 0. */
const Day = z.iso
  .date("must be a day that exists, as in 2026-01-31")
  .refine((day) => day >= "0001", "must be a day that exists, as in 2026-01-31")
  .meta({ description: "A day (UTC).", examples: ["2026-01-31"] });

const TotalValue = Quantity.meta({ description: "US dollars, exact, as text.", examples: ["1234.5"] });

const Metadata = z.strictObject({
  portfolio_name: z.string().meta({ description: "As it was then." }),
  allocation_as_of: Time.meta({ description: "When holdings and prices were read." }),
  snapshot_time: Time.meta({ description: "The same." }),
  created_at: Time,
  sample: z
    .literal(true)
    .optional()
    .meta({ description: "Some of its prices are samples, as they come with the installation." }),
});

export const Snapshot = z.strictObject({
  id: Uuid,
  portfolio_id: Uuid,
  snapshot_date: Day,
  snapshot_type: SnapshotType,
  total_value_usd: TotalValue,
  holdings: z.array(AllocatedAsset),
  metadata: Metadata.nullable(),
  created_at: Time,
});
export type Snapshot = z.infer<typeof Snapshot>;

export const Snapshots = z.strictObject({
  portfolio_id: Uuid,
  snapshots: z.array(Snapshot).meta({ description: "Latest day first, of one day the newest first." }),
  total_count: z.int().min(0).meta({ description: "All that match, on whichever page." }),
  next_cursor: z.string().optional().meta({ description: "Where to go on; left out on the last page." }),
});
export type Snapshots = z.infer<typeof Snapshots>;

export const SnapshotResult = z.strictObject({
  portfolio_id: Uuid,
  snapshot_id: Uuid.optional(),
  success: z.boolean(),
  error: z.string().optional().meta({ description: "Why there is none." }),
  holdings_count: z.int().min(0),
  total_value_usd: TotalValue,
});
export type SnapshotResult = z.infer<typeof SnapshotResult>;

export const SnapshotResults = z.strictObject({
  total: z.int().min(0),
  successful: z.int().min(0),
  failed: z.int().min(0),
  results: z.array(SnapshotResult),
});
export type SnapshotResults = z.infer<typeof SnapshotResults>;

/** A snapshot was taken, or one of that day and type was replaced. */
export const SnapshotTaken = z.strictObject({
  portfolio_id: Uuid,
  user_id: Uuid,
  snapshot_id: Uuid,
  snapshot_date: Day,
  snapshot_type: SnapshotType,
  total_value_usd: TotalValue,
  snapshot_time: Time,
});
export type SnapshotTaken = z.infer<typeof SnapshotTaken>;

/** The most portfolios of one user that one request takes snapshots of. */
export const MAX_PORTFOLIOS_AT_ONCE = 1_000;

const OfPortfolio = z.strictObject({ id: Uuid });
const PATH = "/v1/portfolios/{id}/snapshots";
const snapshot_date = Day.nullish().meta({ description: "Only today (UTC), which it is unless given." });
const wanted = { snapshot_type: SnapshotType.default("manual"), snapshot_date };
const TAKE_PROBLEMS = ["PORTFOLIO_NOT_FOUND", "PORTFOLIO_TOO_LARGE", "SNAPSHOT_DATE_NOT_TODAY"] as const;

/** What portfolios held and were worth, day by day. */
export const snapshotActions = {
  listSnapshots: {
    summary: "List a portfolio's snapshots, latest day first.",
    scope: "portfolios:read",
    http: `GET ${PATH}`,
    params: z.strictObject({
      ...OfPortfolio.shape,
      ...PageParams,
      start_date: Day.optional().meta({ description: "The first day (UTC)." }),
      end_date: Day.optional().meta({ description: "The last day (UTC)." }),
      snapshot_type: SnapshotType.optional(),
    }),
    result: Snapshots,
    problems: ["PORTFOLIO_NOT_FOUND", "SNAPSHOT_DATES_REVERSED"],
  },
  latestSnapshot: {
    summary: "Get a portfolio's latest snapshot, of whichever type.",
    scope: "portfolios:read",
    http: `GET ${PATH}/latest`,
    params: OfPortfolio,
    result: Snapshot,
    problems: ["PORTFOLIO_NOT_FOUND", "SNAPSHOT_NOT_FOUND"],
  },
  takeSnapshot: {
    summary: "Value a portfolio now and keep that, in place of today's snapshot of the type.",
    scope: "portfolios:write",
    http: `POST ${PATH}`,
    unwrapsText: true,
    params: z.strictObject({ ...OfPortfolio.shape, ...wanted }),
    result: SnapshotResult,
    problems: TAKE_PROBLEMS,
  },
  takeEndOfDaySnapshot: {
    summary: "The same with the type eod.",
    scope: "portfolios:write",
    http: `POST ${PATH}/eod`,
    params: z.strictObject({
      ...OfPortfolio.shape,
      snapshot_type: z.literal("eod").optional(),
      snapshot_date,
    }),
    result: SnapshotResult,
    problems: TAKE_PROBLEMS,
  },
  takeAllSnapshots: {
    summary:
      "Take snapshots of all of the caller's portfolios; one that fails does not keep the others from it.",
    scope: "portfolios:write",
    http: "POST /v1/snapshots/create-all",
    params: z.strictObject(wanted),
    result: SnapshotResults,
    problems: ["SNAPSHOT_DATE_NOT_TODAY", "TOO_MANY_PORTFOLIOS"],
  },
  exportSnapshots: {
    summary: "All snapshots that are kept for a user.",
    scope: "internal",
    repeatable: true,
    params: z.strictObject({ user_id: Uuid, cursor: PageParams.cursor }),
    result: pageOf(Snapshot),
  },
} as const satisfies ActionEntries;
