import { z } from "zod";
import type { ActionEntries, EventEntries } from "../../common/contract.ts";
import { Time } from "../../common/values.ts";

const Count = z
  .int()
  .min(0)
  .meta({ examples: [2_480] });

export const priceActions = {
  fetchAllCoins: {
    summary:
      "Fetch the prices of all coins now (administrators). While a fetch is under way, the answer is what that one brings.",
    scope: "market:administer",
    http: "POST /v1/jobs/fetch-all-coins",
    params: z.strictObject({}),
    result: z.strictObject({
      success: z
        .boolean()
        .meta({ description: "True: when no provider tells any price, that is a problem." }),
      coins_fetched: Count.meta({ description: "Coins with a price that the providers told of." }),
      assets_created: Count.meta({ description: "Coins that were not known before." }),
      assets_updated: Count.meta({ description: "Known assets that got a newer price." }),
      prices_stored: Count.meta({ description: "All newer prices." }),
      error: z
        .string()
        .optional()
        .meta({ description: "Which provider failed, although there are prices from another." }),
    }),
    problems: ["PROVIDER_UNAVAILABLE"],
  },
} as const satisfies ActionEntries;

export const priceEvents = {
  /** So many newer prices of one source, the newest of this time. */
  "market.prices_updated": z.strictObject({ count: z.int().min(1), source: z.string(), as_of: Time }),
} as const satisfies EventEntries<"market">;
