import type { Clock } from "../../../services/auth/clock.ts";
import type { FetchedKeys } from "../../../services/auth/key-fetch.ts";
import { KeySource } from "../../../services/auth/key-source.ts";
import type { StoredKeys } from "../../../services/auth/key-store.ts";
import { problemOf } from "../../../services/common/problem.ts";
import { createKey, ISSUER } from "./tokens.ts";

export const START_MS = 1_800_000_000_000;
export const MINUTES = 60_000;
export const HOURS = 60 * MINUTES;
export const [first, second, third] = [
  createKey("ES256", "first"),
  createKey("ES256", "second"),
  createKey("ES256", "third"),
];

/** A clock that goes when it is told to. */
class TestClock implements Clock {
  #now = START_MS;
  #sleepers: { readonly wakeAtMs: number; readonly wake: () => void }[] = [];

  now = (): number => this.#now;

  sleep(durationMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("aborted")));
      this.#sleepers.push({ wakeAtMs: this.#now + durationMs, wake: resolve });
    });
  }

  async advance(durationMs: number): Promise<void> {
    await settle();
    this.#now += durationMs;
    for (const { wakeAtMs, wake } of this.#sleepers) if (wakeAtMs <= this.#now) wake();
    await settle();
  }
}

/** Lets everything run that waits for nothing but its turn: keys are imported without other threads. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** An issuer, a store and a clock as a test sets them, and what was asked of them. */
export class KeyWorld {
  readonly clock = new TestClock();
  published: readonly object[] = [first.jwk];
  fault: Error | undefined;
  /** When set, fetches wait for it. */
  gate: Promise<void> | undefined;
  stored: StoredKeys | undefined;
  readonly fetchesAtMs: number[] = [];
  readonly logged: string[] = [];

  /** A replica's key source in this world. */
  source(changes: Partial<ConstructorParameters<typeof KeySource>[0]> = {}): KeySource {
    const log = (...message: readonly unknown[]) => this.logged.push(String(message.at(-1)));
    return new KeySource({
      issuer: ISSUER,
      algorithms: ["ES256", "RS256"],
      clock: this.clock,
      log: { info: log, warn: log, error: log },
      metrics: { watch: () => undefined, fetched: () => undefined },
      store: {
        load: async () => this.stored,
        save: async (_, keys) => {
          this.stored = keys;
        },
      },
      fetchKeys: () => this.fetch({ keys: this.published }),
      ...changes,
    });
  }

  /** What the issuer answers, and of when it says that it is. */
  async fetch(document: FetchedKeys["document"], statedAtMs?: number): Promise<FetchedKeys> {
    this.fetchesAtMs.push(this.clock.now());
    await this.gate;
    if (this.fault) throw this.fault;
    return { document, statedAtMs };
  }

  /** What a token of this key, issued so long ago, meets: "good", "refused", or a problem's code. */
  async tell(keys: KeySource, keyId: string, ageMs = 0): Promise<string> {
    const issuedAt = Math.floor((this.clock.now() - ageMs) / 1000);
    try {
      const found = await keys.find({ algorithm: "ES256", keyId, issuedAt });
      return found.length > 0 ? "good" : "refused";
    } catch (error) {
      return problemOf(error).code;
    }
  }
}

export const times = <Item>(count: number, make: (index: number) => Item) =>
  Array.from({ length: count }, (_, index) => make(index));
