import { z } from "zod";
import type { ActionEntries } from "../../common/contract.ts";
import { isStorable, Name, PageParams, pageOf, Time, Uuid, Version } from "../../common/values.ts";
import { Allocation } from "./holdings.ts";

/** From 0 to 100. */
const Percentage = z.number().min(0, "must be at least 0").max(100, "must be at most 100");
const AssetSymbol = z
  .string()
  .regex(
    /^[A-Za-z0-9$][A-Za-z0-9._+$-]{0,29}$/,
    "must be a symbol of 1 to 30 letters, digits or . _ + $ -, beginning with a letter, a digit or $",
  );
const MAX_TARGETS = 200;

/** `{"BTC": 60, "ETH": 40}`. */
export const TargetAllocation = z
  .record(AssetSymbol, Percentage)
  .refine((targets) => Object.keys(targets).length <= MAX_TARGETS, `must have at most ${MAX_TARGETS} members`)
  .meta({
    description:
      "Percent by symbol; the sum is 100 ± 0.01. A symbol means the asset that the market lists under it; others are taken too, for what is not listed.",
  });
export type TargetAllocation = z.infer<typeof TargetAllocation>;

/** The same as a list, which is taken too; it is always answered as the object. */
const TargetList = z
  .array(z.strictObject({ symbol: AssetSymbol, target_pct: Percentage }))
  .max(MAX_TARGETS, `must have at most ${MAX_TARGETS} members`)
  .refine(
    (targets) => new Set(targets.map(({ symbol }) => symbol)).size === targets.length,
    "must name each symbol once",
  )
  .transform((targets) => Object.fromEntries(targets.map(({ symbol, target_pct }) => [symbol, target_pct])));

export const Guardrails = z
  .strictObject({
    drift_band: Percentage.optional().meta({
      description: "Percentage points that a weight may be off its target.",
    }),
    stablecoin_min: Percentage.optional().meta({ description: "Least percentage in stablecoins." }),
    futures_cap: Percentage.optional().meta({ description: "Most percentage in futures." }),
    max_alt_cap: Percentage.optional().meta({
      description: "Most percentage in coins other than BTC and ETH.",
    }),
    min_trade_usd: z
      .number()
      .min(0)
      .max(1e9)
      .optional()
      .meta({ description: "Smallest trade worth proposing." }),
    fee_bps: z
      .number()
      .min(0)
      .max(10_000)
      .optional()
      .meta({ description: "Trading fee in hundredths of a percent." }),
  })
  .meta({ description: "Limits that a rebalancing keeps to." });
export type Guardrails = z.infer<typeof Guardrails>;

export const Portfolio = z.strictObject({
  id: Uuid,
  user_id: Uuid,
  name: Name,
  description: z.string().optional(),
  is_default: z.boolean(),
  target_allocation: TargetAllocation.optional(),
  guardrails: Guardrails.optional(),
  last_constructed_at: Time.optional(),
  created_at: Time,
  updated_at: Time,
  version: Version,
});
export type Portfolio = z.infer<typeof Portfolio>;

/** A portfolio with what is kept of it: the accounts linked to it, in their order, and its allocation. */
export const ExportedPortfolio = z.strictObject({
  ...Portfolio.shape,
  account_ids: z.array(Uuid),
  allocation: Allocation.optional(),
});
export type ExportedPortfolio = z.infer<typeof ExportedPortfolio>;

/** What clients may set. `null` clears what is optional. */
const writable = {
  name: Name,
  description: z
    .string()
    .max(2000, "must have at most 2000 characters")
    .refine(isStorable, "must not contain NUL or unpaired surrogates")
    .nullable()
    .optional(),
  is_default: z.boolean().optional(),
  target_allocation: z.union([TargetAllocation, TargetList]).nullable().optional(),
  guardrails: Guardrails.nullable().optional(),
};

const ById = z.strictObject({ id: Uuid });

/** Portfolios themselves. */
export const portfolioActions = {
  list: {
    summary: "List the caller's portfolios, oldest first.",
    scope: "portfolios:read",
    http: "GET /v1/portfolios",
    params: z.strictObject(PageParams),
    result: pageOf(Portfolio),
  },
  create: {
    summary: "Create a portfolio; the first one becomes the default.",
    scope: "portfolios:write",
    http: "POST /v1/portfolios",
    status: 201,
    location: "/v1/portfolios/{id}",
    params: z.strictObject(writable),
    result: Portfolio,
    problems: ["TARGET_ALLOCATION_NOT_100"],
  },
  get: {
    summary: "Get a portfolio.",
    scope: "portfolios:read",
    http: "GET /v1/portfolios/{id}",
    params: ById,
    result: Portfolio,
    problems: ["PORTFOLIO_NOT_FOUND"],
  },
  update: {
    summary: "Change members of a portfolio; those left out stay as they are.",
    scope: "portfolios:write",
    http: ["PUT /v1/portfolios/{id}", "PATCH /v1/portfolios/{id}"],
    ifMatch: true,
    params: z.strictObject({
      ...ById.shape,
      ...writable,
      name: Name.optional(),
      if_match: Version.optional(),
    }),
    result: Portfolio,
    problems: ["PORTFOLIO_NOT_FOUND", "PRECONDITION_FAILED", "TARGET_ALLOCATION_NOT_100"],
  },
  delete: {
    summary: "Delete a portfolio and what belongs to it.",
    scope: "portfolios:write",
    http: "DELETE /v1/portfolios/{id}",
    status: 204,
    ifMatch: true,
    params: z.strictObject({ ...ById.shape, if_match: Version.optional() }),
    result: z.null(),
    problems: ["PORTFOLIO_NOT_FOUND", "PRECONDITION_FAILED"],
  },
  exportUser: {
    summary: "All that is kept of a user here.",
    scope: "internal",
    repeatable: true,
    params: z.strictObject({ user_id: Uuid, cursor: PageParams.cursor }),
    result: pageOf(ExportedPortfolio),
  },
  eraseUser: {
    summary: "Delete all that is kept of a user here; deleting it twice is no error.",
    scope: "internal",
    repeatable: true,
    params: z.strictObject({ user_id: Uuid }),
    result: z.null(),
  },
} as const satisfies ActionEntries;
