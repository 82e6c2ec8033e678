import type { ConnectionPool } from "../common/database/pool.ts";
import type { Log } from "../common/service.ts";
import type { Algorithm } from "./algorithms.ts";
import { systemClock } from "./clock.ts";
import { keyFetch } from "./key-fetch.ts";
import { keySourceMetrics } from "./key-metrics.ts";
import { KeySource } from "./key-source.ts";
import { keyStore } from "./key-store.ts";
import type { TrustedIssuer } from "./signature.ts";

const UPKEEP_INTERVAL_MS = 1_000;

export interface IssuerKeysOptions {
  readonly issuers: readonly { readonly issuer: string; readonly audience: string }[];
  readonly algorithms: readonly Algorithm[];
  /** Origins beside an issuer's own that its keys may come from. */
  readonly keyOrigins: readonly string[];
  readonly pool: ConnectionPool;
  readonly log: Log;
}

export interface OpenIssuers {
  readonly issuers: readonly TrustedIssuer[];
  readonly close: () => Promise<void>;
}

/** Opens the key sets of the trusted issuers. None of them has to be reachable for it. */
export async function openIssuers(options: IssuerKeysOptions): Promise<OpenIssuers> {
  const { algorithms, keyOrigins, pool, log } = options;
  const store = keyStore(pool);
  const clock = systemClock;
  const issuers = options.issuers.map(({ issuer, audience }, index) => {
    const fetchKeys = keyFetch({ issuer, keyOrigins, now: clock.now });
    const metrics = keySourceMetrics(issuer, index);
    return {
      issuer,
      audience,
      keys: new KeySource({ issuer, algorithms, fetchKeys, store, metrics, log, clock }),
    };
  });
  await Promise.all(issuers.map(({ keys }) => keys.open()));
  const upkeep = setInterval(() => {
    for (const { keys } of issuers) keys.upkeep();
  }, UPKEEP_INTERVAL_MS);
  upkeep.unref();
  return {
    issuers,
    async close() {
      clearInterval(upkeep);
      await Promise.all(issuers.map(({ keys }) => keys.close()));
    },
  };
}
