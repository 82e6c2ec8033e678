import { Counter, Gauge } from "prom-client";
import type { OutboxCount } from "./outbox.ts";

const waiting = new Gauge({
  name: "events_waiting",
  help: "Events that are stored and not yet delivered, one for each hearer. Read from the database: the same on each replica, at most 10000.",
  labelNames: ["service"],
  registers: [],
});
const oldest = new Gauge({
  name: "events_oldest_waiting_seconds",
  help: "How long ago the oldest of them happened, in seconds; 0 when none waits. The same on each replica.",
  labelNames: ["service"],
  registers: [],
});
const setAside = new Gauge({
  name: "events_set_aside",
  help: "Events that their hearer refused in all attempts and that stay for somebody to look at. The same on each replica, at most 10000.",
  labelNames: ["service"],
  registers: [],
});
const deliveries = new Counter({
  name: "events_delivery_attempts_total",
  help: "Attempts of this process to deliver an event. outcome is delivered, failed (answered with an error), silent (no answer) or unreachable.",
  labelNames: ["service", "hearer", "outcome"],
  registers: [],
});

/** What became of an attempt. */
export type OutcomeKind = "delivered" | "failed" | "silent" | "unreachable";

export type EventMetrics = ReturnType<typeof eventMetrics>;

/** The metrics of one service's events. */
export function eventMetrics(service: string, hearers: readonly string[]) {
  for (const hearer of hearers) deliveries.labels(service, hearer, "delivered").inc(0);
  return {
    metrics: [waiting, oldest, setAside, deliveries],
    attempted: (hearer: string, outcome: OutcomeKind) => deliveries.labels(service, hearer, outcome).inc(),
    counted(count: OutboxCount): void {
      waiting.labels(service).set(count.waiting);
      oldest.labels(service).set(count.oldestSeconds);
      setAside.labels(service).set(count.setAside);
    },
  };
}
