import { Counter, Gauge } from "prom-client";
import type { OpenService } from "../common/service.ts";
import type { Admission } from "./admission.ts";

const byRoute = ["http_request_method", "http_route"] as const;

export const refusedRequests = new Counter({
  name: "http_server_requests_refused_total",
  help: "HTTP requests refused because there were too many: in total, of the route, of the caller, on the connection, or for the event loop.",
  labelNames: ["reason"],
  registers: [],
});
export const connectionsCut = new Counter({
  name: "http_server_connections_cut_total",
  help: "Connections cut by the server: silent (nothing came, and others wanted in), full (no room), unread (the reply was not read).",
  labelNames: ["reason"],
  registers: [],
});
const limits = new Gauge({
  name: "http_server_requests_limit",
  help: "How many requests of a route may be under way just now.",
  labelNames: [...byRoute],
  registers: [],
});
const inFlight = new Gauge({
  name: "http_server_requests_in_flight",
  help: "Requests of a route that are under way.",
  labelNames: [...byRoute],
  registers: [],
});
const lagSeconds = new Gauge({
  name: "http_server_event_loop_lag_seconds",
  help: "How far the event loop was behind when last looked at, in seconds.",
  registers: [],
});
const refusedShare = new Gauge({
  name: "http_server_refused_share",
  help: "The share of requests that is refused because the event loop is behind, 0 to 1.",
  registers: [],
});
const pauseSeconds = new Gauge({
  name: "http_server_refusal_pause_seconds",
  help: "For how long a connection is not read after a refusal, in seconds; 0 while there are few.",
  registers: [],
});

// A counter that first shows with its first event would hide that one from a rate.
for (const reason of ["total", "route", "caller", "event_loop", "connection"])
  refusedRequests.labels(reason).inc(0);
for (const reason of ["silent", "full", "unread"]) connectionsCut.labels(reason).inc(0);

/** The metrics of what is let in, and how their present values are read. */
export function admissionMetrics({ gates, lag, pause }: Admission): NonNullable<OpenService["metrics"]> {
  return {
    metrics: [refusedRequests, connectionsCut, limits, inFlight, lagSeconds, refusedShare, pauseSeconds],
    collect() {
      for (const { method, path, limit } of gates) {
        limits.labels(method, path).set(Math.floor(limit.limit));
        inFlight.labels(method, path).set(limit.inFlight);
      }
      lagSeconds.set(lag.lagMs / 1000);
      refusedShare.set(lag.share);
      pauseSeconds.set(pause.lengthMs / 1000);
    },
  };
}
