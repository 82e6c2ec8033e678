import { Counter, Gauge, Histogram } from "prom-client";

const count = new Gauge({
  name: "db_client_connection_count",
  help: "Connections of the pool by state: used (on loan), idle, opening, closing.",
  labelNames: ["pool", "state"],
  registers: [],
});
const maximum = new Gauge({
  name: "db_client_connection_max",
  help: "The most connections that the pool may open (DB_MAX_CONNECTIONS).",
  labelNames: ["pool"],
  registers: [],
});
const minimum = new Gauge({
  name: "db_client_connection_min",
  help: "The connections that the pool keeps open (DB_MIN_CONNECTIONS).",
  labelNames: ["pool"],
  registers: [],
});
const acquireTimeout = new Gauge({
  name: "db_client_connection_acquire_timeout_seconds",
  help: "The longest that a caller waits for a connection (DB_ACQUIRE_TIMEOUT_SECS).",
  labelNames: ["pool"],
  registers: [],
});
const pending = new Gauge({
  name: "db_client_connection_pending_requests",
  help: "Callers that wait for a connection now.",
  labelNames: ["pool"],
  registers: [],
});
const waitTime = new Histogram({
  name: "db_client_connection_wait_time_seconds",
  help: "How long callers waited for a connection, in seconds; compare with DB_ACQUIRE_TIMEOUT_SECS.",
  labelNames: ["pool"],
  buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  registers: [],
});
const timeouts = new Counter({
  name: "db_client_connection_timeouts_total",
  help: "Callers that got no connection within the acquire timeout.",
  labelNames: ["pool"],
  registers: [],
});
const refusals = new Counter({
  name: "db_client_connection_refusals_total",
  help: "Callers that were refused at once, because too many waited already.",
  labelNames: ["pool"],
  registers: [],
});

type Counts = Readonly<Record<"opening" | "idle" | "active" | "closing" | "waiting", number>>;

const watched = new Map<string, () => Counts>();

/** The pools' metrics, for the registry of this process. */
export const databaseMetrics = [
  count,
  maximum,
  minimum,
  acquireTimeout,
  pending,
  waitTime,
  timeouts,
  refusals,
] as const;

/** Reads the pools' present counts into the gauges; call it before the metrics are written out. */
export function collectDatabaseMetrics(): void {
  for (const [pool, counts] of watched) {
    const { active, idle, opening, closing, waiting } = counts();
    count.labels(pool, "used").set(active);
    count.labels(pool, "idle").set(idle);
    count.labels(pool, "opening").set(opening);
    count.labels(pool, "closing").set(closing);
    pending.labels(pool).set(waiting);
  }
}

/** What a pool tells of itself. */
export interface PoolMetrics {
  watch(counts: () => Counts): void;
  acquired(waitSeconds: number): void;
  timedOut(): void;
  refused(): void;
}

/** The metrics of one pool, labelled with its service's name. */
export function poolMetrics(
  pool: string,
  limits: { minimum: number; maximum: number; acquireTimeoutSeconds: number },
): PoolMetrics {
  maximum.labels(pool).set(limits.maximum);
  minimum.labels(pool).set(limits.minimum);
  acquireTimeout.labels(pool).set(limits.acquireTimeoutSeconds);
  timeouts.labels(pool).inc(0);
  refusals.labels(pool).inc(0);
  const wait = waitTime.labels(pool);
  return {
    watch: (counts) => watched.set(pool, counts),
    acquired: (waitSeconds) => wait.observe(waitSeconds),
    timedOut: () => timeouts.labels(pool).inc(),
    refused: () => refusals.labels(pool).inc(),
  };
}
