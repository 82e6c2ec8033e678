import { z } from "zod";
import type { ActionEntries } from "../../common/contract.ts";
import { ExactNumber, Time, Uuid } from "../../common/values.ts";

/*
 * Terms. *Drift*: an asset's current weight minus its target weight, in percentage points. *Band*: how far that may be.
 * *Breach*: a weight outside its band, or a guardrail that is not kept. Targets name assets by symbol: the asset that the
 * market lists under it. A symbol that is not listed may be a target too; it means the one asset of that symbol that is
 * held, and without one it is *unpriced*.
 */

const Percent = ExactNumber.meta({ description: "In percent.", examples: [62.5] });
const Points = ExactNumber.meta({ description: "In percentage points.", examples: [-2.5] });
const Usd = ExactNumber.meta({ description: "US dollars, exact.", examples: [1234.5] });

const AssetDrift = z.strictObject({
  asset: z.string(),
  asset_id: Uuid.optional().meta({ description: "Left out where the asset is not known." }),
  target_pct: Percent.meta({ description: "Its share of all targets; 0 for what is held without one." }),
  current_pct: Percent.nullable(),
  difference_pct: Points.nullable().meta({ description: "Current less target." }),
  band_pct: Points,
  breached: z.boolean(),
  targeted: z.boolean(),
  unpriced: z.boolean(),
  value_usd: Usd.nullable(),
});

const GuardrailState = z.strictObject({
  guardrail: z.enum(["drift_band", "stablecoin_min", "futures_cap", "max_alt_cap"]),
  limit_pct: Percent,
  current_pct: Percent.nullable().meta({ description: "Of the band: the largest difference of all." }),
  breached: z.boolean(),
});

/** How far a portfolio is off its targets. */
export const PortfolioDrift = z.strictObject({
  portfolio_id: Uuid,
  total_value_usd: Usd,
  incomplete: z.boolean(),
  breached: z.boolean(),
  reason: z
    .enum(["no_value", "no_targets"])
    .optional()
    .meta({ description: "Why there are no differences: nothing is worth anything, or no target is set." }),
  assets: z.array(AssetDrift).meta({ description: "Largest difference first." }),
  guardrails: z.array(GuardrailState),
  as_of: Time,
});
export type PortfolioDrift = z.infer<typeof PortfolioDrift>;

/** No event tells of more breaches at once; the largest differences come first. */
export const MAX_BREACHES_TOLD = 100;

/** Something of a portfolio that has come to be beyond its limit. */
export const DriftBreach = z.strictObject({
  kind: z.enum(["asset", "guardrail"]),
  /** The asset's symbol, or the guardrail's name. */
  name: z.string(),
  asset_id: Uuid.optional(),
  current_pct: z.string().nullable(),
  /** The asset's target, or the guardrail's limit. */
  limit_pct: z.string(),
});
export type DriftBreach = z.infer<typeof DriftBreach>;

/** What of this was within its limits before, and is not now. Told once, until it was within again. */
export const DriftBreached = z.strictObject({
  portfolio_id: Uuid,
  user_id: Uuid,
  breaches: z.array(DriftBreach).min(1).max(MAX_BREACHES_TOLD),
  as_of: Time,
});
export type DriftBreached = z.infer<typeof DriftBreached>;

/** How far portfolios are off their targets. */
export const driftActions = {
  drift: {
    summary: "Tell how far a portfolio is off its targets and guardrails, now.",
    scope: "portfolios:read",
    http: "GET /v1/portfolios/{id}/drift",
    params: z.strictObject({ id: Uuid }),
    result: PortfolioDrift,
    problems: ["PORTFOLIO_NOT_FOUND", "PORTFOLIO_TOO_LARGE"],
  },
} as const satisfies ActionEntries;
