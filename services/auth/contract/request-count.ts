import { z } from "zod";

/** Rate limits are per hour at most. */
export const MAX_RATE_WINDOW_SECONDS = 3_600;

/** So many callers are counted by one call, at most. */
export const MAX_CALLERS_COUNTED = 1_000;

/** The requests of one caller that all gateways have let through, in this window and the one before. */
export const RequestCount = z.strictObject({
  present: z.int().min(0),
  previous: z.int().min(0),
  elapsed_seconds: z.number().min(0).meta({ description: "How long ago this window began." }),
});
export type RequestCount = z.infer<typeof RequestCount>;

const Caller = z.string().regex(/^(user|address):[\w.:-]{0,64}$/);

/** What one gateway has let through, by caller. */
export const Counts = z
  .record(Caller, z.int().min(1).max(1_000_000))
  .refine((counts) => Object.keys(counts).length <= MAX_CALLERS_COUNTED);

/** What all have, by caller. */
export const Sums = z.record(Caller, RequestCount);
