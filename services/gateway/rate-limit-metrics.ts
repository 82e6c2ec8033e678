import { Counter, Gauge } from "prom-client";

export const requestsLimited = new Counter({
  name: "gateway_requests_limited_total",
  help: "Requests refused because their caller has made too many. kind is user or address.",
  labelNames: ["kind"],
  registers: [],
});
export const countsTold = new Counter({
  name: "gateway_rate_limit_counts_told_total",
  help: "How often this gateway told what it has let through, so that all share the limits. outcome is ok or failed.",
  labelNames: ["outcome"],
  registers: [],
});
export const callersTracked = new Gauge({
  name: "gateway_rate_limit_callers",
  help: "Callers whose requests this gateway counts just now. kind is user or address.",
  labelNames: ["kind"],
  registers: [],
});

// A counter that first shows with its first event would hide that one from a rate.
for (const kind of ["user", "address"]) requestsLimited.labels(kind).inc(0);
for (const outcome of ["ok", "failed"]) countsTold.labels(outcome).inc(0);

/** For the registry of this process. */
export const rateLimitMetrics = [requestsLimited, countsTold, callersTracked] as const;
