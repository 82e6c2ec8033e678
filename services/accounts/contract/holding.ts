import { z } from "zod";

export const MAX_HOLDINGS = 1_000;
/** What 10^77 has: the longest balance of a token is 2^256 - 1. */
const MAX_DIGITS = 78;

/** Not negative, without an exponent. */
const Digits = z.string().regex(/^(?:0|[1-9]\d*)(?:\.\d+)?$/, "must be plain digits, as in 0 or 1234.5");
/** Exact. */
export const Amount = Digits.refine(
  (digits) => digits.replace(".", "").length <= MAX_DIGITS,
  `must have at most ${MAX_DIGITS} digits`,
).meta({ description: "A decimal number, exact, in plain digits.", examples: ["1.5"] });

const AssetKey = z
  .string()
  .regex(/^[^\s\p{C}]{1,81}$/u, "must be 1 to 81 visible characters")
  .meta({ description: "`SYMBOL-chain_id` in wallets, the bare symbol elsewhere." });

/** What of an asset is in an account. */
export const Holding = z.strictObject({
  asset: z.string(),
  quantity: Amount,
  available: Amount,
  frozen: Amount,
  decimals: z.int().min(0).optional(),
});
export type Holding = z.infer<typeof Holding>;
export const ShownHolding = Holding.omit({ available: true, frozen: true });

/**
 * The same with what tells which asset it is. In wallets `chain` is always there, and `contract` unless it is the
 * chain's own coin; at exchanges the symbol is the exchange's own; in manual accounts the symbol is what the user wrote.
 */
export const HeldHolding = Holding.extend({
  symbol: z.string(),
  chain: z.string().optional(),
  contract: z.string().optional(),
});
export type HeldHolding = z.infer<typeof HeldHolding>;

const HoldingToSet = z.strictObject({
  asset: AssetKey,
  quantity: Amount,
  available: Amount.optional().meta({ description: "Quantity less frozen, unless given." }),
  frozen: Amount.optional().meta({ description: "0 unless given." }),
});
export type HoldingToSet = z.infer<typeof HoldingToSet>;

export const HoldingsToSet = z
  .array(HoldingToSet)
  .max(MAX_HOLDINGS, `must have at most ${MAX_HOLDINGS} members`)
  .superRefine((holdings, context) => {
    const seen = new Set<string>();
    for (const [index, { asset }] of holdings.entries()) {
      const path = [index, "asset"];
      if (seen.has(asset)) context.addIssue({ code: "custom", path, message: "must be named once" });
      seen.add(asset);
    }
  });
