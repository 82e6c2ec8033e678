import type { Guardrails } from "../contract/portfolio.ts";
import { compareTexts, type Decimal, HUNDRED, plain, sum, ZERO } from "./decimals.ts";
import { type AssetKinds, type GuardrailState, groupStates, limitOf } from "./guardrail-states.ts";
import { percentages } from "./percentages.ts";
import type { Position } from "./positions.ts";

export interface DriftRow {
  readonly asset: string;
  readonly asset_id?: string;
  readonly value_usd: string | null;
  /** Its share of all targets in percent; 0 for what is held without a target. */
  readonly target_pct: string;
  /** `null` where the portfolio has no value, so that nothing has a weight. */
  readonly current_pct: string | null;
  /** Current minus target, in percentage points. */
  readonly difference_pct: string | null;
  readonly band_pct: string;
  readonly breached: boolean;
  readonly targeted: boolean;
  readonly unpriced: boolean;
}

export interface Drift {
  readonly total_value_usd: string;
  readonly incomplete: boolean;
  readonly breached: boolean;
  /** Why there are no weights: the portfolio has no value, or no target is above 0. */
  readonly reason: "no_value" | "no_targets" | null;
  readonly assets: readonly DriftRow[];
  readonly guardrails: readonly GuardrailState[];
}

/**
 * How far the portfolio is off its targets: drift = current weight − target weight, in percentage points, largest first.
 * A breach is decided on exact values (strictly beyond the band); percentages are shown with 8 places, adding up to 100.
 * What has no price counts for nothing and makes the result incomplete.
 */
export function driftOf(positions: readonly Position[], guardrails: Guardrails, kinds: AssetKinds): Drift {
  const values = positions.map(({ value }) => value ?? ZERO);
  const total = sum(values);
  const targetTotal = sum(positions.map(({ target }) => target));
  const reason = reasonFor(total, targetTotal);
  const band = limitOf(guardrails, "drift_band");
  const current = percentages(values);
  const targets = percentages(positions.map(({ target }) => target));
  const rows = positions.map((position, index) => {
    const weight = current[index] as Decimal;
    const target = targets[index] as Decimal;
    const difference = reason === null ? weight.minus(target) : null;
    const row: DriftRow = {
      asset: position.asset,
      ...(position.asset_id === undefined ? {} : { asset_id: position.asset_id }),
      value_usd: position.value ? plain(position.value) : null,
      target_pct: plain(target),
      current_pct: total.isZero() ? null : plain(weight),
      difference_pct: difference && plain(difference),
      band_pct: plain(band),
      breached: reason === null && isOutside(position, total, targetTotal, band),
      targeted: position.targeted,
      unpriced: position.value === null,
    };
    return { row, distance: difference?.abs() ?? ZERO };
  });
  rows.sort(
    (one, other) => other.distance.comparedTo(one.distance) || compareTexts(one.row.asset, other.row.asset),
  );
  const bandState: GuardrailState = {
    guardrail: "drift_band",
    limit_pct: plain(band),
    current_pct: reason === null ? plain(rows[0]?.distance ?? ZERO) : null,
    breached: rows.some(({ row }) => row.breached),
  };
  const states = [bandState, ...groupStates(positions, guardrails, kinds)];
  return {
    total_value_usd: plain(total),
    incomplete: positions.some(({ value, quantity }) => value === null && !quantity.isZero()),
    breached: states.some(({ breached }) => breached),
    reason,
    assets: rows.map(({ row }) => row),
    guardrails: states,
  };
}

/** |value / total − target / targets| > band / 100, multiplied out so that nothing is rounded. */
export function isOutside(
  { value, target }: { readonly value: Decimal | null; readonly target: Decimal },
  total: Decimal,
  targetTotal: Decimal,
  band: Decimal,
): boolean {
  const distance = (value ?? ZERO).times(targetTotal).minus(target.times(total)).abs();
  return distance.times(HUNDRED).greaterThan(band.times(total).times(targetTotal));
}

function reasonFor(total: Decimal, targetTotal: Decimal): Drift["reason"] {
  if (targetTotal.isZero()) return "no_targets";
  return total.isZero() ? "no_value" : null;
}
