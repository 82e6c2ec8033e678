import type { ConnectionPool } from "../../common/database/pool.ts";
import type { Query } from "../../common/database/transaction.ts";
import { type DriftBreach, type DriftBreached, MAX_BREACHES_TOLD } from "../contract/drift.ts";
import { type Drift, driftOf } from "../domain/drift.ts";
import type { Position } from "../domain/positions.ts";
import type { Valuation } from "../valuation.ts";
import { keepBreaches, knownBreaches } from "./breach-store.ts";

/**
 * How far a portfolio that was just valued is off its targets. What has come to be beyond its limit since it was last
 * looked at is told once, whoever looks; what is within again can be told of again. Nothing is written where nothing
 * has changed.
 */
export type CheckDrift = (valuation: Valuation) => Promise<Drift>;

/** Stores the event in the transaction of the breach. */
export type TellBreach = (query: Query, event: DriftBreached) => Promise<void>;

export function driftChecks(pool: ConnectionPool, tell: TellBreach): CheckDrift {
  const known = knownBreaches(pool);
  return async (valuation) => {
    const { portfolio, kinds, as_of } = valuation;
    const { id, user_id, guardrails } = portfolio;
    const positions = valuation.positions();
    const drift = driftOf(positions, guardrails ?? {}, kinds);
    if (isBlind(positions)) return drift;
    const breaches = breachesOf(drift);
    if (isSame(await known(id), breaches)) return drift;
    await keepBreaches(pool, { id, userId: user_id }, [...breaches.keys()], (query, subjects) => {
      const told = [...breaches].flatMap(([subject, breach]) => (subjects.has(subject) ? [breach] : []));
      const event = { portfolio_id: id, user_id, breaches: told.slice(0, MAX_BREACHES_TOLD), as_of };
      return tell(query, event);
    });
    return drift;
  };
}

/** Where something with a target is held and has no price, all weights are off, and nothing is concluded from them. */
function isBlind(positions: readonly Position[]): boolean {
  return positions.some(({ targeted, value, quantity }) => targeted && value === null && !quantity.isZero());
}

/** What is beyond its limit, the largest difference first. The band is kept per asset, so it is no subject of its own. */
function breachesOf({ assets, guardrails }: Drift): ReadonlyMap<string, DriftBreach> {
  const breaches = new Map<string, DriftBreach>();
  for (const { asset, asset_id, current_pct, target_pct, breached } of assets) {
    if (!breached) continue;
    breaches.set(`asset:${asset_id ?? asset}`, {
      kind: "asset",
      name: asset,
      ...(asset_id !== undefined && { asset_id }),
      current_pct,
      limit_pct: target_pct,
    });
  }
  for (const { guardrail, current_pct, limit_pct, breached } of guardrails) {
    if (!breached || guardrail === "drift_band") continue;
    breaches.set(`guardrail:${guardrail}`, { kind: "guardrail", name: guardrail, current_pct, limit_pct });
  }
  return breaches;
}

function isSame(known: ReadonlySet<string>, breaches: ReadonlyMap<string, DriftBreach>): boolean {
  return known.size === breaches.size && [...known].every((subject) => breaches.has(subject));
}
