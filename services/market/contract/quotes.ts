import { z } from "zod";
import type { ActionEntries } from "../../common/contract.ts";
import { Time, text, Uuid } from "../../common/values.ts";

/** Assets per request for quotes. */
export const MAX_QUOTES = 2_000;

/** A decimal number as a string, exact, without exponent. */
const Decimal = z.string().regex(/^\d+(\.\d+)?$/);

/** What an asset is known by. A bare symbol is looked up among the listed ones only: anybody can call a coin anything. */
export const AssetReference = z.union([
  z.strictObject({ id: Uuid }),
  z.strictObject({ chain: text(50), contract: text(100) }),
  z.strictObject({ exchange: text(50), symbol: text(50) }),
  z.strictObject({ chain: text(50), native: z.literal(true) }),
  z.strictObject({ listed: text(50) }),
]);
export type AssetReference = z.infer<typeof AssetReference>;

/** An asset with its last known price; price, time and source are null together. */
export const Quote = z.strictObject({
  asset_id: Uuid,
  symbol: z.string(),
  name: z.string(),
  asset_type: z.enum(["cryptocurrency", "stablecoin"]),
  decimals: z.int().min(0).optional().meta({ description: "Of the contract, if it was asked for by one." }),
  price_usd: Decimal.nullable(),
  as_of: Time.nullable(),
  source: z.string().nullable(),
  stale: z.boolean().meta({ description: "There is a price, and it is older than it should be." }),
});
export type Quote = z.infer<typeof Quote>;

export const quoteActions = {
  /** For other services: assets with their last known prices; null for an asset that is not known. */
  quotes: {
    summary: "Tell what assets are and what they are worth, in the order asked for.",
    scope: "internal",
    repeatable: true,
    params: z.strictObject({ assets: z.array(AssetReference).max(MAX_QUOTES) }),
    result: z.array(Quote.nullable()).max(MAX_QUOTES),
  },
} as const satisfies ActionEntries;
