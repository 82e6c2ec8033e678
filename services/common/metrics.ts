import { Counter, Histogram } from "prom-client";

/** From half a millisecond to ten seconds: what P50, P95 and P99 of a request are computed from. */
const DURATION_BUCKETS_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

// Names and units follow OpenTelemetry's conventions, as Prometheus writes them. Registered by `monitoring.ts`.

const actionDuration = new Histogram({
  name: "rpc_server_call_duration_seconds",
  help: "How long this process took to handle a call of an action, in seconds. outcome is ok or a problem code.",
  labelNames: ["action", "outcome"],
  buckets: DURATION_BUCKETS_SECONDS,
  registers: [],
});

const requestDuration = new Histogram({
  name: "http_server_request_duration_seconds",
  help: "How long an HTTP request took, from its headers to the end of the reply, in seconds.",
  labelNames: ["http_request_method", "http_route", "http_response_status_code"],
  buckets: DURATION_BUCKETS_SECONDS,
  registers: [],
});

const requestErrors = new Counter({
  name: "http_server_request_problems_total",
  help: "HTTP requests answered with a problem, by its code.",
  labelNames: ["http_request_method", "http_route", "problem"],
  registers: [],
});

/** The metrics of requests and calls, for the registry of this process. */
export const requestMetrics = [actionDuration, requestDuration, requestErrors] as const;

export interface Timer {
  /** @param startedAt when it began, as `performance.now()` gave it. */
  succeeded(startedAt: number): void;
  failed(startedAt: number, outcome: string): void;
}

/** Times the calls of one action. */
export function actionTimer(action: string): Timer {
  const ok = actionDuration.labels(action, "ok");
  return {
    succeeded: (startedAt) => ok.observe(secondsSince(startedAt)),
    failed: (startedAt, outcome) => actionDuration.labels(action, outcome).observe(secondsSince(startedAt)),
  };
}

/** Records the HTTP requests of one route. `route` is the contract's pattern, never the raw path. */
export function requestRecorder(method: string, route: string) {
  const byStatus = new Map<number, { observe(seconds: number): void }>();
  return {
    answered(status: number, startedAt: number): void {
      let histogram = byStatus.get(status);
      if (!histogram) {
        histogram = requestDuration.labels(method, route, String(status));
        byStatus.set(status, histogram);
      }
      histogram.observe(secondsSince(startedAt));
    },
    refused(code: string): void {
      requestErrors.labels(method, route, code).inc();
    },
  };
}

function secondsSince(startedAt: number): number {
  return (performance.now() - startedAt) / 1000;
}
