import { Counter, Gauge } from "prom-client";

export const nodesLost = new Counter({
  name: "broker_nodes_lost_total",
  help: "Other processes that were found to be gone: undelivered (nobody takes what is sent to them) or silent.",
  labelNames: ["reason"],
  registers: [],
});
export const requestsRefused = new Counter({
  name: "broker_requests_refused_total",
  help: "Requests that were not executed because they may have waited while this process stood still.",
  registers: [],
});
export const requestsLost = new Counter({
  name: "broker_requests_lost_total",
  help: "Requests that the process they were sent to knows nothing of: they, or their replies, were lost on their way.",
  registers: [],
});
export const callsRepeated = new Counter({
  name: "broker_calls_repeated_total",
  help: "Calls that were tried once more, on another replica where there was one.",
  labelNames: ["reason"],
  registers: [],
});
export const repeatsDenied = new Counter({
  name: "broker_repeats_denied_total",
  help: "Calls that were not tried once more because too many already were.",
  registers: [],
});
export const breakersOpen = new Gauge({
  name: "broker_breakers_open",
  help: "Actions of other processes that are not called for now, because too many calls of them timed out.",
  registers: [],
});

// A counter that first shows with its first event would hide that one from a rate.
for (const reason of ["undelivered", "silent"]) nodesLost.labels(reason).inc(0);
for (const reason of ["not executed", "lost"]) callsRepeated.labels(reason).inc(0);

/** The metrics of how other processes are found and lost, for the registry of this process. */
export const livenessMetrics = [
  nodesLost,
  requestsRefused,
  requestsLost,
  callsRepeated,
  repeatsDenied,
  breakersOpen,
] as const;
