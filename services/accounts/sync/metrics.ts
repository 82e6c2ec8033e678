import { Counter, Histogram } from "prom-client";
import type { FailureKind } from "./failure.ts";

const attempts = new Counter({
  name: "accounts_sync_attempts_total",
  help: "Attempts to read an account, by provider; outcome is ok or what kind of failure it was.",
  labelNames: ["provider", "outcome"],
  registers: [],
});
const duration = new Histogram({
  name: "accounts_sync_duration_seconds",
  help: "How long reading an account took, in seconds, by provider.",
  labelNames: ["provider"],
  buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  registers: [],
});

/** The metrics of syncs, for the registry of this process. */
export const syncMetrics = [attempts, duration] as const;

/** @param provider one of the names that contracts know. */
export function countAttempt(provider: string, outcome: "ok" | FailureKind, startedAt: number): void {
  attempts.labels(provider, outcome).inc();
  duration.labels(provider).observe((performance.now() - startedAt) / 1000);
}
