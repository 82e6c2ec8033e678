import type { ConnectionPool } from "../database/pool.ts";
import type { Log, OpenService, Outside } from "../service.ts";
import { eventMetrics } from "./event-metrics.ts";
import type { Hearers } from "./hearers.ts";
import { forgetHandled } from "./inbox.ts";
import { ANYONE, type OutboxCount, outboxStatements } from "./outbox.ts";
import { Pauses } from "./pauses.ts";
import { type Retries, type RoundResult, relayRound } from "./round.ts";

export interface RelayOptions {
  readonly service: string;
  /** What it tells; none: it only hears. */
  readonly events: readonly string[];
  readonly hearers: Hearers;
  readonly pool: ConnectionPool;
  readonly log: Log;
  readonly retries?: Retries | undefined;
}

export interface Relay {
  /** Something was stored: look soon. */
  readonly poke: () => void;
  readonly begin: NonNullable<OpenService["begin"]>;
  readonly end: (limitMs?: number) => Promise<void>;
  readonly metrics: NonNullable<OpenService["metrics"]>;
}

/** Ten errors come over some eight minutes. */
const RETRIES: Retries = { firstPauseMs: 1_000, maxPauseMs: 300_000, maxFailures: 10, maxSilences: 100 };
/** What other replicas stored, or what waits for its next try, is looked for so often; and with some chance, not in step. */
const POLL_MS = 1_000;
const BUSY_MS = 250;
/** From storing an event to looking for it: the transaction ends in between, and others join it. */
const POKE_DELAY_MS = 25;
const COUNT_INTERVAL_MS = 5_000;
const FORGET_INTERVAL_MS = 600_000;

/** Delivers the events of a service from its outbox, one replica at a time. */
export function openRelay({ service, events, hearers, pool, log, retries = RETRIES }: RelayOptions): Relay {
  const statements = outboxStatements(service);
  const actions = [...new Set(events.flatMap((event) => hearers.get(event) ?? []))];
  const everyone = events.length > 0 ? [...actions, ANYONE] : [];
  const metrics = eventMetrics(service, everyone);
  const pauses = new Pauses();
  const stopping = new AbortController();
  const sleep = sleeper();
  const timers: NodeJS.Timeout[] = [];
  let isEnded = false;
  let running: Promise<void> | undefined;
  let isFailing = false;

  async function round(outside: Outside): Promise<RoundResult> {
    try {
      const reachable = everyone.filter((hearer) => !pauses.isPaused(hearer));
      const result = await relayRound({
        pool,
        statements,
        hearers: reachable,
        outside,
        pauses,
        retries,
        metrics,
        log,
        isEnding: () => isEnded,
        signal: stopping.signal,
      });
      isFailing = false;
      return result;
    } catch (error) {
      if (!isFailing) log.warn({ err: error }, "Events could not be relayed; it is tried again.");
      isFailing = true;
      return "idle";
    }
  }

  async function run(outside: Outside): Promise<void> {
    while (!isEnded) {
      const result = await round(outside);
      if (result === "worked") continue;
      await sleep.for(
        result === "busy" ? BUSY_MS : pauses.remainingMs(POLL_MS * (0.8 + 0.4 * Math.random())),
      );
    }
  }

  /** Does it now and then; the next time it may succeed. */
  function every(intervalMs: number, work: () => Promise<unknown>): void {
    const attempt = () => void work().catch((error) => log.warn({ err: error }, "Upkeep of events failed."));
    attempt();
    timers.push(setInterval(attempt, intervalMs).unref());
  }

  return {
    poke: () => sleep.wakeIn(POKE_DELAY_MS),
    async begin(outside) {
      if (everyone.length > 0) {
        running = run(outside);
        every(COUNT_INTERVAL_MS, async () => {
          const [count] = await pool.query<OutboxCountRow>(statements.count);
          if (count) metrics.counted(count);
        });
      }
      every(FORGET_INTERVAL_MS, () => forgetHandled(pool, service));
    },
    async end(limitMs) {
      isEnded = true;
      for (const timer of timers) clearInterval(timer);
      sleep.wakeIn(0);
      const limit = limitMs === undefined ? undefined : setTimeout(() => stopping.abort(), limitMs);
      await running;
      clearTimeout(limit);
    },
    metrics: { metrics: metrics.metrics, collect: () => undefined },
  };
}

type OutboxCountRow = OutboxCount & Readonly<Record<string, number>>;

/** A sleep that can be cut short; being woken while awake makes the next one end. */
function sleeper() {
  let wake: (() => void) | undefined;
  let isWoken = false;
  let alarm: NodeJS.Timeout | undefined;
  return {
    async for(durationMs: number): Promise<void> {
      if (!isWoken) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, durationMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      isWoken = false;
      wake = undefined;
    },
    /** Several that come within the delay wake it once. */
    wakeIn(delayMs: number): void {
      if (alarm && delayMs > 0) return;
      clearTimeout(alarm);
      alarm = setTimeout(() => {
        alarm = undefined;
        isWoken = true;
        wake?.();
      }, delayMs).unref();
    },
  };
}
