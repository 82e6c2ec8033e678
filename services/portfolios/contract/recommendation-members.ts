import { z } from "zod";
import { Time, text, Uuid, Version } from "../../common/values.ts";

export const RecommendationStatus = z.enum(["pending", "approved", "rejected", "executed", "expired"]);
export type RecommendationStatus = z.infer<typeof RecommendationStatus>;
export const RecommendationType = z.enum(["rebalance", "take_profit", "stop_loss"]);
export type RecommendationType = z.infer<typeof RecommendationType>;

export const MAX_ORDERS = 100;
const MAX_LOT_SIZES = 200;
const MAX_METADATA_MEMBERS = 30;
const MAX_USD = 1e15;
const MIN_VALIDITY_SECONDS = 60;
const MAX_VALIDITY_SECONDS = 7 * 24 * 60 * 60;

const DIGITS = "(?:0|[1-9]\\d{0,77})(?:\\.\\d{1,78})?";
const PLAIN = "must be plain digits, as in 0 or 1234.5, at most 78 before and 78 behind the point";
/** Not negative, exact; as many digits as are computed exactly. */
const Amount = z
  .string()
  .regex(new RegExp(`^${DIGITS}$`), PLAIN)
  .meta({ examples: ["1234.5"] });
export const SignedAmount = z
  .string()
  .regex(new RegExp(`^-?${DIGITS}$`), PLAIN)
  .meta({ examples: ["1200"] });
const AboveZero = Amount.refine((digits) => /[1-9]/.test(digits), "must be above 0");
/** What was computed: products have more digits than what comes in. */
const Figure = z
  .string()
  .regex(/^-?\d+(?:\.\d+)?$/)
  .meta({ examples: ["1200"] });

const AssetSymbol = z.string().regex(/^[^\s\p{C}]{1,81}$/u, "must be 1 to 81 visible characters");

/** An order as clients propose it. */
export const OrderToPropose = z.strictObject({
  action: z.enum(["buy", "sell"]),
  asset: AssetSymbol,
  asset_id: Uuid.optional(),
  quantity: AboveZero.meta({ examples: ["0.5"] }),
  estimated_price: Amount.meta({ examples: ["60000"] }),
  estimated_value_usd: Amount.meta({ examples: ["30000"] }),
});

export const ProposedOrder = z.strictObject({
  ...OrderToPropose.shape,
  asset: z.string(),
  quantity: Figure.meta({ examples: ["0.5"] }),
  estimated_price: Figure.meta({ examples: ["60000"] }),
  estimated_value_usd: Figure.meta({
    description: "Of what is generated, quantity × price exactly.",
    examples: ["30000"],
  }),
});
export type ProposedOrder = z.infer<typeof ProposedOrder>;

const Fraction = z.number().min(0, "must be at least 0").max(1, "must be at most 1");
/** What existing clients show of it. */
const shownMetadata = {
  confidence: Fraction.optional(),
  risk_score: Fraction.optional(),
  drift_percentage: z
    .number()
    .optional()
    .meta({ description: "Largest difference from a target, in percent." }),
  price_appreciation_30d: z.number().optional().meta({ description: "As a fraction." }),
  resistance_level: text(100).optional(),
};

export const MetadataToPropose = z
  .object(shownMetadata)
  .catchall(z.union([text(500), z.number(), z.boolean()]))
  .refine(
    (metadata) => Object.keys(metadata).length <= MAX_METADATA_MEMBERS,
    `must have at most ${MAX_METADATA_MEMBERS} members`,
  )
  .refine(
    (metadata) => Object.keys(metadata).every((name) => /^(?!constructor$)[a-z]\w{0,59}$/i.test(name)),
    "must have members whose names are 1 to 60 letters, digits or _, beginning with a letter",
  )
  .meta({ description: "What else is to be shown or kept: texts, numbers, true or false." });

const ReasonLeft = z.string().optional().meta({ description: "Why it is not where it should be." });

/** What a generated recommendation tells beside its orders. The money adds up: sells + cash added = buys + fees + cash out. */
const generatedMetadata = {
  drift_percentage_after: z.number().optional(),
  sells_usd: Figure.optional(),
  buys_usd: Figure.optional(),
  fees_usd: Figure.optional(),
  cash_added_usd: Figure.optional(),
  cash_out_usd: Figure.optional().meta({ description: "What was asked for, and the remainder." }),
  remainder_usd: Figure.optional().meta({ description: "What whole lots and smallest orders leave over." }),
  turnover_usd: Figure.optional(),
  weights: z
    .array(
      z.looseObject({
        asset: z.string(),
        target_pct: z.number(),
        before_pct: z.number(),
        after_pct: z.number(),
        within_band: z.boolean(),
        reason: ReasonLeft,
      }),
    )
    .optional()
    .meta({ description: "Of what has a target, and of what is outside its band afterwards." }),
  guardrails: z
    .array(
      z.looseObject({
        guardrail: z.string(),
        limit_pct: z.number(),
        current_pct: z.number().optional(),
        breached: z.boolean(),
        reason: ReasonLeft,
      }),
    )
    .optional()
    .meta({ description: "As they are after the orders." }),
  incomplete: z.boolean().optional().meta({ description: "Something that is held has no price." }),
  untradable: z.array(z.string()).optional().meta({ description: "What has no price." }),
  stale_prices: z
    .array(z.string())
    .optional()
    .meta({ description: "Whose price is older than it should be." }),
};

export const Recommendation = z.strictObject({
  id: Uuid,
  portfolio_id: Uuid,
  status: RecommendationStatus,
  recommendation_type: RecommendationType,
  rationale: z.string(),
  proposed_orders: z.array(ProposedOrder),
  expected_impact: Figure.nullable().meta({
    description:
      "US dollars. Of a generated rebalancing: the value that its orders bring to where the targets want it (half the " +
      "sum of all differences from the targets, before less after); the fees are told apart, in the metadata.",
  }),
  metadata: z.looseObject({ ...shownMetadata, ...generatedMetadata }).nullable(),
  created_at: Time,
  updated_at: Time,
  executed_at: Time.nullable(),
  price_as_of: Time.nullable().meta({ description: "The oldest of the prices that it stands on." }),
  inputs_hash: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable()
    .meta({
      description: "SHA-256 of what it was computed with; null where it was not computed.",
      examples: ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    }),
  expires_at: Time.nullable().meta({ description: "When it expires unless somebody decides." }),
  version: Version,
});
export type Recommendation = z.infer<typeof Recommendation>;

export const Recommendations = z.strictObject({
  portfolio_id: Uuid,
  recommendations: z.array(Recommendation),
  total_count: z.int().min(0).meta({ description: "All that match, on whichever page." }),
  next_cursor: z.string().optional().meta({ description: "Where to go on; left out on the last page." }),
});
export type Recommendations = z.infer<typeof Recommendations>;

/** As a string; a number is taken too, as guardrails have them. */
const Usd = z
  .union([Amount, z.number().min(0, "must be at least 0").max(MAX_USD, `must be at most ${MAX_USD}`)])
  .meta({ examples: ["25.00"] });

/** What a rebalancing may do; what is left out comes from the guardrails, or limits nothing. */
export const Constraints = z.strictObject({
  min_trade_usd: Usd.optional().meta({ description: "Smallest order worth proposing." }),
  lot_sizes: z
    .record(AssetSymbol, AboveZero)
    .refine(
      (sizes) => Object.keys(sizes).length <= MAX_LOT_SIZES,
      `must have at most ${MAX_LOT_SIZES} members`,
    )
    .optional()
    .meta({
      description: "The step in which an asset is traded, by its symbol or id.",
      examples: [{ BTC: "0.0001" }],
    }),
  fee_bps: z
    .number()
    .min(0, "must be at least 0")
    .max(10_000, "must be at most 10000")
    .optional()
    .meta({ description: "Fee in hundredths of a percent of an order's value." }),
  cash_in_usd: Usd.optional().meta({ description: "Cash to invest." }),
  cash_out_usd: Usd.optional().meta({ description: "Cash to take out." }),
  buy_only: z.boolean().optional().meta({ description: "Nothing may be sold." }),
  depth: z.enum(["target", "band"]).optional().meta({
    description: "How far to go once a weight is outside its band: to the targets, or into the band.",
  }),
  valid_for_seconds: z.int().min(MIN_VALIDITY_SECONDS).max(MAX_VALIDITY_SECONDS).optional().meta({
    description: "When what is made expires; a day unless given. What exists already keeps its time.",
  }),
});
export type Constraints = z.infer<typeof Constraints>;
