import type { ConnectionPool } from "../database/pool.ts";
import { inTransaction, type Query } from "../database/transaction.ts";
import type { Log, Outside } from "../service.ts";
import { deliver, type Outcome } from "./delivery.ts";
import type { EventMetrics } from "./event-metrics.ts";
import type { Miss, OutboxRow, OutboxStatements } from "./outbox.ts";
import { type Pauses, pauseMs } from "./pauses.ts";

/** How often and how soon an event that could not be delivered is tried again. */
export interface Retries {
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
  /** So many errors of its hearer set an event aside; */
  readonly maxFailures: number;
  /** or so many times without an answer, as of one that ends its hearer each time. */
  readonly maxSilences: number;
}

export interface RoundOptions {
  readonly pool: ConnectionPool;
  readonly statements: OutboxStatements;
  /** Those that are not paused. */
  readonly hearers: readonly string[];
  readonly outside: Outside;
  readonly pauses: Pauses;
  readonly retries: Retries;
  readonly metrics: EventMetrics;
  readonly log: Log;
  /** No delivery is to be begun any more. */
  readonly isEnding: () => boolean;
  /** Aborted when what is under way is not to be waited for either. */
  readonly signal: AbortSignal;
}

/** Nothing was to do; another replica is at it; or events were taken, and there may be more. */
export type RoundResult = "idle" | "busy" | "worked";

const MAX_EVENTS_PER_HEARER = 200;
/** To one hearer, of different aggregates. */
const DELIVERIES_AT_ONCE = 8;
/** After it no delivery is begun. With one last delivery this is below the time after which the server ends the transaction. */
const DELIVERING_MS = 5_000;

/**
 * Delivers the next events of each hearer, in the transaction that holds the relay's lock: together over aggregates, one
 * after the other within one. When this replica dies, the server ends the transaction and frees the lock; when it
 * freezes, after `idle_in_transaction_session_timeout`. What it had delivered by then is delivered again.
 */
export async function relayRound(options: RoundOptions): Promise<RoundResult> {
  const { pool, statements, hearers, signal } = options;
  if (hearers.length === 0 || (await pool.query(statements.isDue(hearers))).length === 0) return "idle";
  return inTransaction(pool, async (query, client) => {
    const [lock] = await query<{ isMine: boolean }>(statements.lock);
    if (!lock?.isMine) return "busy";
    const rows = await query<OutboxRow>(statements.take(hearers, MAX_EVENTS_PER_HEARER));
    if (rows.length === 0) return "idle";
    // Its own, because a signal made by AbortSignal.any would stay with the relay's for as long as that lives.
    const round = new AbortController();
    const stop = () => round.abort();
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    client.on("end", stop);
    try {
      const outcomes = await deliverAll(rows, { ...options, signal: round.signal });
      await settle(query, outcomes, options);
    } finally {
      signal.removeEventListener("abort", stop);
    }
    return "worked";
  });
}

/** The outcome of each delivery that came to an end, in time. */
async function deliverAll(
  rows: readonly OutboxRow[],
  options: RoundOptions,
): Promise<ReadonlyMap<OutboxRow, Outcome>> {
  const outcomes = new Map<OutboxRow, Outcome>();
  const { signal, isEnding } = options;
  const deadline = performance.now() + DELIVERING_MS;
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const mayGoOn = () => !signal.aborted && !isEnding() && performance.now() < deadline;
  const deliveries = Object.values(Object.groupBy(rows, ({ hearer }) => hearer)).map((ofHearer = []) =>
    deliverTo(ofHearer, options, mayGoOn, (row, outcome) => {
      if (!signal.aborted) outcomes.set(row, outcome);
    }),
  );
  await Promise.race([Promise.all(deliveries), stopped]);
  return new Map(outcomes);
}

/** Delivers events to one hearer; an aggregate's later ones only after its earlier ones. */
async function deliverTo(
  rows: readonly OutboxRow[],
  { outside, pauses, metrics }: RoundOptions,
  mayGoOn: () => boolean,
  ended: (row: OutboxRow, outcome: Outcome) => void,
): Promise<void> {
  const aggregates = [...Map.groupBy(rows, ({ aggregate_id }) => aggregate_id).values()];

  async function deliverInOrder(ofAggregate: readonly OutboxRow[]): Promise<void> {
    for (const row of ofAggregate) {
      if (!mayGoOn() || pauses.isPaused(row.hearer)) return;
      const outcome = await deliver(outside, row);
      metrics.attempted(row.hearer, outcome.kind);
      ended(row, outcome);
      if (outcome.kind === "unreachable" || outcome.kind === "silent") pauses.missed(row.hearer);
      else pauses.reached(row.hearer);
      if (outcome.kind !== "delivered") return;
    }
  }

  async function work(): Promise<void> {
    for (let next = aggregates.shift(); next; next = aggregates.shift()) await deliverInOrder(next);
  }
  await Promise.all(Array.from({ length: DELIVERIES_AT_ONCE }, work));
}

/** Writes down what became of the events: delivered ones go, the others are tried again or set aside. */
async function settle(
  query: Query,
  outcomes: ReadonlyMap<OutboxRow, Outcome>,
  { statements, retries, log }: RoundOptions,
): Promise<void> {
  const delivered: string[] = [];
  const misses: Miss[] = [];
  for (const [row, { kind, error }] of outcomes) {
    const { position, event_id, event, hearer, failures, silences } = row;
    if (kind === "delivered") delivered.push(position);
    if (kind !== "failed" && kind !== "silent") continue;
    log.warn({ event, eventId: event_id, hearer, error }, "An event could not be delivered.");
    const count = kind === "failed" ? failures : silences;
    const delayMs = pauseMs(count + 1, retries.firstPauseMs, retries.maxPauseMs);
    misses.push({ position, isAnswered: kind === "failed", error, delayMs });
  }
  if (delivered.length > 0) await query(statements.delivered(delivered));
  if (misses.length === 0) return;
  await query(statements.missed(misses));
  const positions = misses.map(({ position }) => position);
  const setAside = await query(statements.setAside(positions, retries.maxFailures, retries.maxSilences));
  for (const row of setAside) log.error(row, "An event is set aside: its hearer failed too often.");
}
