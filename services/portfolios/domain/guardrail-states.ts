import type { Guardrails } from "../contract/portfolio.ts";
import { Decimal, HUNDRED, plain, sum, ZERO } from "./decimals.ts";
import { percentages } from "./percentages.ts";
import type { Position } from "./positions.ts";

/** What clients show where a guardrail is not set, and so what it means then. */
export const GUARDRAIL_DEFAULTS = { drift_band: 5, stablecoin_min: 0, futures_cap: 100, max_alt_cap: 100 };

/** Kinds of assets, as sets of asset ids; of symbols only where an asset has no id. */
export interface AssetKinds {
  readonly stablecoins: ReadonlySet<string>;
  readonly majors: ReadonlySet<string>;
  readonly futures: ReadonlySet<string>;
}

export type GuardrailName = keyof typeof GUARDRAIL_DEFAULTS;
export type GroupGuardrailName = Exclude<GuardrailName, "drift_band">;

export interface GuardrailState {
  readonly guardrail: GuardrailName;
  readonly limit_pct: string;
  /** For the band: the largest difference of all. `null` where the portfolio has no value. */
  readonly current_pct: string | null;
  readonly breached: boolean;
}

/** The limit that is set, or its default. */
export function limitOf(guardrails: Guardrails, name: GuardrailName): Decimal {
  return new Decimal(guardrails[name] ?? GUARDRAIL_DEFAULTS[name]);
}

/** Futures are futures whatever they are on; an alt is what is neither a major nor a stablecoin nor a future. */
export function isInGroup(
  kinds: AssetKinds,
  name: GroupGuardrailName,
  { key }: { readonly key: string },
): boolean {
  const isFuture = kinds.futures.has(key);
  if (name === "futures_cap") return isFuture;
  if (isFuture) return false;
  const isStable = kinds.stablecoins.has(key);
  return name === "stablecoin_min" ? isStable : !isStable && !kinds.majors.has(key);
}

/** The state of the guardrails on groups of assets, decided on exact values. */
export function groupStates(
  positions: readonly Pick<Position, "key" | "value">[],
  guardrails: Guardrails,
  kinds: AssetKinds,
): GuardrailState[] {
  const total = sum(positions.map(({ value }) => value ?? ZERO));
  return (["stablecoin_min", "futures_cap", "max_alt_cap"] as const).map((guardrail) => {
    const inGroup = sum(
      positions.filter((one) => isInGroup(kinds, guardrail, one)).map(({ value }) => value ?? ZERO),
    );
    const limit = limitOf(guardrails, guardrail);
    return {
      guardrail,
      limit_pct: plain(limit),
      current_pct: total.isZero() ? null : plain(percentages([inGroup, total.minus(inGroup)])[0] as Decimal),
      breached: !total.isZero() && isBeyond(guardrail, inGroup, total, limit),
    };
  });
}

/** Whether a group's part of the total is under the least, or over the most, that the guardrail allows. */
export function isBeyond(
  name: GroupGuardrailName,
  inGroup: Decimal,
  total: Decimal,
  limit: Decimal,
): boolean {
  const part = inGroup.times(HUNDRED);
  const allowed = limit.times(total);
  return name === "stablecoin_min" ? part.lessThan(allowed) : part.greaterThan(allowed);
}
