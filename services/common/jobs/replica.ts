import { setTimeout as pause } from "node:timers/promises";
import { Incarnation, type IncarnationOptions } from "./incarnation.ts";
import { countStatement, type JobCount } from "./job-metrics.ts";
import { Line } from "./line.ts";
import { isPassing } from "./persistence.ts";

/** How often the lease is looked at; and how often it is renewed. */
const WATCH_INTERVAL_MS = 1_000;
const BEAT_INTERVAL_MS = 3_000;
/** After an incarnation could not begin. */
const REPEAT_PAUSE_MS = 1_000;
/** graphile-worker's. */
const CHANNEL = "jobs:insert";

/** A process's part in the jobs of one service: one incarnation after the other, mostly one. */
export class Replica {
  readonly #options: Omit<IncarnationOptions, "query">;
  readonly #line: Line;
  #current: Incarnation | undefined;
  #watch: NodeJS.Timeout | undefined;
  #beatenAt = 0;
  #isBeating = false;
  #isReplacing = false;
  #isEnded = false;

  constructor(options: Omit<IncarnationOptions, "query">) {
    this.#options = options;
    this.#line = new Line({
      pool: options.pool,
      channel: CHANNEL,
      heard: (message) => this.#current?.nudge(message),
    });
  }

  /** Resolves when jobs are being taken. @throws when the schema is missing. */
  async begin(): Promise<void> {
    this.#line.begin();
    await this.#incarnate();
    this.#watch = setInterval(() => this.#look(), WATCH_INTERVAL_MS);
    this.#look();
  }

  async end(limitMs: number): Promise<void> {
    this.#isEnded = true;
    // Meanwhile the heart goes on beating: what still runs is still held.
    await this.#current?.end(limitMs);
    clearInterval(this.#watch);
    await this.#line.end();
  }

  #look(): void {
    if (this.#current?.lease.isOver) void this.#replace();
    else if (performance.now() - this.#beatenAt >= BEAT_INTERVAL_MS) void this.#beat();
  }

  async #beat(): Promise<void> {
    if (this.#isBeating) return;
    this.#isBeating = true;
    this.#beatenAt = performance.now();
    const { schema, metrics, log } = this.#options;
    try {
      await this.#current?.beat();
      metrics.counted(await this.#line.query<JobCount & Record<string, unknown>>(countStatement(schema)));
    } catch (error) {
      // That the database is away, its pool says.
      if (!isPassing(error) && !this.#isEnded)
        log.warn(`Jobs: a heartbeat failed: ${(error as Error).message}`);
    } finally {
      this.#isBeating = false;
    }
    if (this.#current?.lease.isOver) void this.#replace();
  }

  async #replace(): Promise<void> {
    if (this.#isReplacing || this.#isEnded) return;
    this.#isReplacing = true;
    this.#options.log.warn("Jobs: this replica was away for too long; it goes on under a new identity");
    this.#current?.abandon();
    await this.#incarnate((error) => this.#options.log.error(`Jobs cannot be taken: ${error.message}`));
    this.#isReplacing = false;
  }

  /** @param failed told of an error that does not pass by itself; without it, that is thrown. */
  async #incarnate(failed?: (error: Error) => void): Promise<void> {
    while (!this.#isEnded) {
      const next = new Incarnation({ ...this.#options, query: this.#line.query });
      this.#current = next;
      try {
        await next.begin();
        if (this.#isEnded) await next.end(0);
        return;
      } catch (error) {
        next.abandon();
        if (this.#isEnded) return;
        if (!isPassing(error) && !failed) throw error;
        if (!isPassing(error)) failed?.(error as Error);
        await pause(REPEAT_PAUSE_MS);
      }
    }
  }
}
