import type { Guardrails } from "../contract/portfolio.ts";
import { type Decimal, HUNDRED, quotientDown, sum, ZERO } from "./decimals.ts";
import {
  type AssetKinds,
  type GroupGuardrailName,
  isBeyond,
  isInGroup,
  limitOf,
} from "./guardrail-states.ts";
import type { Tradable } from "./rebalancing-assets.ts";

const AIM_PLACES = 60;
/** Caps first: raising the stablecoins afterwards takes from what is capped too, and so breaks no cap. */
const ORDER = ["futures_cap", "max_alt_cap", "stablecoin_min"] as const;

/**
 * The assets with targets that keep to the guardrails, which are limits and so stand above targets: where a group is
 * beyond its limit, it is scaled to the limit, and all others in proportion. `conflicts` names the guardrails that
 * cannot be kept, since nothing is left to scale: no other asset has a target, or no stablecoin.
 */
export function withAims(
  assets: readonly Tradable[],
  guardrails: Guardrails,
  kinds: AssetKinds,
): { assets: Tradable[]; conflicts: GroupGuardrailName[] } {
  const conflicts: GroupGuardrailName[] = [];
  let aimed = [...assets];
  for (const name of ORDER) {
    const total = sum(aimed.map(({ aim }) => aim));
    const inGroup = groupSum(aimed, name, kinds);
    const limit = limitOf(guardrails, name);
    if (!isBeyond(name, inGroup, total, limit)) continue;
    const others = total.minus(inGroup);
    if (inGroup.isZero() || others.isZero()) {
      conflicts.push(name);
      continue;
    }
    const allowed = total.times(limit).div(HUNDRED);
    aimed = aimed.map((asset) => ({
      ...asset,
      aim: isInGroup(kinds, name, asset)
        ? quotientDown(asset.aim.times(allowed), inGroup, AIM_PLACES)
        : quotientDown(asset.aim.times(total.minus(allowed)), others, AIM_PLACES),
    }));
  }
  return { assets: aimed, conflicts };
}

/** Whether values (given by index) are beyond a guardrail that the aims themselves keep to. */
export function breaksGuardrail(
  assets: readonly Tradable[],
  values: readonly Decimal[],
  guardrails: Guardrails,
  kinds: AssetKinds,
): boolean {
  const total = sum(values);
  return ORDER.some((name) => {
    const inGroup = sum(
      assets.map((asset, index) => (isInGroup(kinds, name, asset) ? (values[index] ?? ZERO) : ZERO)),
    );
    return isBeyond(name, inGroup, total, limitOf(guardrails, name));
  });
}

function groupSum(assets: readonly Tradable[], name: GroupGuardrailName, kinds: AssetKinds): Decimal {
  return sum(assets.filter((asset) => isInGroup(kinds, name, asset)).map(({ aim }) => aim));
}
