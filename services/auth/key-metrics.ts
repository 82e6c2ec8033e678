import { Counter, Gauge } from "prom-client";

const age = new Gauge({
  name: "auth_key_set_age_seconds",
  help: "How long ago the issuer's key set was fetched, in seconds; absent while there is none.",
  labelNames: ["issuer", "index"],
  registers: [],
});
const fetches = new Counter({
  name: "auth_key_set_fetches_total",
  help: "Fetches of the issuer's key set by outcome: ok, failed.",
  labelNames: ["issuer", "index", "outcome"],
  registers: [],
});

const watched = new Map<string, () => void>();

/** The metrics of issuers' keys, for the registry of this process. */
export const keyMetrics = [age, fetches] as const;

/** Reads the key sets' present ages into the gauge; call it before the metrics are written out. */
export function collectKeyMetrics(): void {
  for (const collect of watched.values()) collect();
}

/** What a key source tells of itself. */
export interface KeySourceMetrics {
  watch(ageSeconds: () => number | undefined): void;
  fetched(outcome: "ok" | "failed"): void;
}

/** The metrics of one issuer's keys, labelled with its host and its place among the configured issuers. */
export function keySourceMetrics(issuer: string, index: number): KeySourceMetrics {
  const labels = [new URL(issuer).host, String(index)] as const;
  for (const outcome of ["ok", "failed"]) fetches.labels(...labels, outcome).inc(0);
  return {
    watch(ageSeconds) {
      watched.set(labels.join(" "), () => {
        const seconds = ageSeconds();
        if (seconds !== undefined) age.labels(...labels).set(seconds);
      });
    },
    fetched: (outcome) => fetches.labels(...labels, outcome).inc(),
  };
}
