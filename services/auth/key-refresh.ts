import { asPartOf } from "../common/deadline.ts";
import { problem } from "../common/problem.ts";
import type { Log } from "../common/service.ts";
import type { Algorithm } from "./algorithms.ts";
import { causesOf } from "./causes.ts";
import type { Clock } from "./clock.ts";
import type { KeyFetch } from "./key-fetch.ts";
import type { KeySourceMetrics } from "./key-metrics.ts";
import { type KeySet, readKeySet } from "./key-set.ts";
import type { KeyStore, StoredKeys } from "./key-store.ts";

export interface KeySourceOptions {
  readonly issuer: string;
  readonly algorithms: readonly Algorithm[];
  readonly fetchKeys: KeyFetch;
  readonly store: KeyStore;
  readonly metrics: KeySourceMetrics;
  readonly log: Log;
  readonly clock: Clock;
}

/** After a fetch, the issuer is left alone for so long, whatever arrives; one that failed counts too. */
export const COOLDOWN_MS = 10_000;
/** In the background, the set is fetched again when it is so old, */
const REFRESH_AFTER_MS = 300_000;
/** so that it never grows older than this, and with it a key that the issuer has removed, while the issuer answers. */
const LIFE_MS = 600_000;
/** While it does not, the last good set is used until it is so old. */
const LAST_RESORT_MS = 86_400_000;

/** A key set as of a time: a key that it leaves out was none of the issuer's then. */
export interface DatedKeySet {
  readonly keySet: KeySet;
  readonly fetchedAtMs: number;
  /** The same moment by the issuer's clock, if that is known. */
  readonly statedAtMs: number;
}

/** One issuer's key set, kept fresh: fetched in time, stored, and used on while the issuer fails. */
export class KeyRefresh {
  readonly #options: KeySourceOptions;
  readonly #closing = new AbortController();
  #current: DatedKeySet | undefined;
  #fetching: Promise<void> | undefined;
  #fetchedLastAtMs = Number.NEGATIVE_INFINITY;
  #failure: Error | undefined;

  constructor(options: KeySourceOptions) {
    this.#options = options;
    options.metrics.watch(() => (this.#current ? this.#ageMs() / 1000 : undefined));
  }

  get current(): DatedKeySet | undefined {
    return this.#current;
  }

  /** The fetch that is under way; it never rejects. */
  get fetching(): Promise<void> | undefined {
    return this.#fetching;
  }

  /** Why the last fetch failed; undefined when it did not. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Given when it is closed. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /** Takes up the stored set, and begins to fetch a new one if it is not fresh; the issuer may be down meanwhile. */
  async open(): Promise<void> {
    await this.#load();
    this.upkeep();
  }

  /** Fetches the set again in time; call it about every second. */
  upkeep(): void {
    if (this.#ageMs() >= REFRESH_AFTER_MS) void this.#refresh();
  }

  /** Ends the fetch that is under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#fetching;
  }

  /**
   * The present set, fetched first if it is too old and the issuer is not known to fail.
   * @throws ISSUER_UNAVAILABLE when there is none that can be used.
   */
  async usable(): Promise<DatedKeySet> {
    const age = this.#ageMs();
    if (age >= LAST_RESORT_MS || (age >= LIFE_MS && !this.#failure)) await this.#refresh();
    if (!this.#current || this.#ageMs() >= LAST_RESORT_MS) throw this.unavailable();
    return this.#current;
  }

  /** How long after a fetch that failed the issuer must still be left alone, in milliseconds. */
  cooldownMs(): number {
    return this.#failure ? COOLDOWN_MS - this.#sinceMs(this.#fetchedLastAtMs) : 0;
  }

  /** Fetches the set now. Failures are kept, not thrown. */
  fetch(): Promise<void> {
    // For all who wait for it, so it does not end with the one that began it.
    const attempt = asPartOf(undefined, () => this.#attempt(this.#options.clock.now()));
    const fetching = attempt.finally(() => {
      this.#fetching = undefined;
    });
    this.#fetching = fetching;
    return fetching;
  }

  unavailable(): Error {
    return Object.assign(problem("ISSUER_UNAVAILABLE"), { cause: this.#failure });
  }

  /** Joins the fetch that is under way, or begins one unless the last was just now. */
  async #refresh(): Promise<void> {
    if (!this.#fetching && this.#sinceMs(this.#fetchedLastAtMs) < COOLDOWN_MS) return;
    await (this.#fetching ?? this.fetch());
  }

  async #attempt(startedAtMs: number): Promise<void> {
    const { algorithms, fetchKeys, metrics } = this.#options;
    this.#fetchedLastAtMs = startedAtMs;
    try {
      const { document, statedAtMs = startedAtMs } = await fetchKeys(this.signal);
      const { keySet, skipped } = await readKeySet(document, algorithms);
      this.#accept({ keySet, fetchedAtMs: startedAtMs, statedAtMs }, skipped);
      metrics.fetched("ok");
    } catch (error) {
      if (this.signal.aborted) return;
      if (!this.#failure) this.#warn("Issuer's keys cannot be had.", error as Error);
      this.#failure = error as Error;
      metrics.fetched("failed");
      // Another replica may have been luckier.
      if (this.#ageMs() >= LAST_RESORT_MS) void this.#load();
    }
  }

  #accept(fetched: DatedKeySet, skipped: readonly string[]): void {
    const { issuer, log } = this.#options;
    const { jwks } = fetched.keySet;
    const isNew = JSON.stringify(jwks) !== JSON.stringify(this.#current?.keySet.jwks);
    if (isNew || this.#failure) {
      const keys = jwks.map(({ kid, alg }) => `${kid ?? "(no id)"} ${alg}`);
      log.info({ issuer, keys, skipped }, "Issuer's keys fetched.");
    }
    this.#current = fetched;
    this.#failure = undefined;
    void this.#save({ keys: jwks, fetchedAtMs: fetched.fetchedAtMs });
  }

  async #load(): Promise<void> {
    const { issuer, algorithms, store } = this.#options;
    try {
      const stored = await store.load(issuer);
      if (!stored || stored.fetchedAtMs <= (this.#current?.fetchedAtMs ?? 0)) return;
      const { keySet } = await readKeySet(stored, algorithms);
      this.#current = { keySet, fetchedAtMs: stored.fetchedAtMs, statedAtMs: stored.fetchedAtMs };
    } catch (error) {
      this.#warn("Issuer's stored keys cannot be read.", error as Error);
    }
  }

  async #save(stored: StoredKeys): Promise<void> {
    const { issuer, store } = this.#options;
    await store
      .save(issuer, stored)
      .catch((error: Error) => this.#warn("Issuer's keys cannot be stored.", error));
  }

  #warn(message: string, error: Error): void {
    const { issuer, log } = this.#options;
    log.warn({ issuer, reason: causesOf(error) }, message);
  }

  #ageMs(): number {
    return this.#sinceMs(this.#current?.fetchedAtMs ?? Number.NEGATIVE_INFINITY);
  }

  /** A clock that was set back must not make anything young again, so the distance counts. */
  #sinceMs(time: number): number {
    return Math.abs(this.#options.clock.now() - time);
  }
}
