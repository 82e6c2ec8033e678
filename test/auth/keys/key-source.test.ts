import { beforeEach, describe, expect, it } from "@jest/globals";
import type { Clock } from "../../../services/auth/clock.ts";
import type { FetchedKeys } from "../../../services/auth/key-fetch.ts";
import { KeySource } from "../../../services/auth/key-source.ts";
import type { StoredKeys } from "../../../services/auth/key-store.ts";
import { problemOf } from "../../../services/common/problem.ts";
import { createKey, ISSUER } from "./tokens.ts";

const START_MS = 1_800_000_000_000;
const MINUTES = 60_000;
const HOURS = 60 * MINUTES;
const [first, second, third] = [
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
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

let clock: TestClock;
let published: readonly object[];
let fault: Error | undefined;
/** When set, fetches wait for it. */
let gate: Promise<void> | undefined;
let fetchesAtMs: number[];
let stored: StoredKeys | undefined;
let logged: string[];

beforeEach(() => {
  clock = new TestClock();
  published = [first.jwk];
  fault = undefined;
  gate = undefined;
  fetchesAtMs = [];
  stored = undefined;
  logged = [];
});

function source(changes: Partial<ConstructorParameters<typeof KeySource>[0]> = {}): KeySource {
  const log = (...message: readonly unknown[]) => logged.push(String(message.at(-1)));
  return new KeySource({
    issuer: ISSUER,
    algorithms: ["ES256", "RS256"],
    clock,
    log: { info: log, warn: log, error: log },
    metrics: { watch: () => undefined, fetched: () => undefined },
    store: {
      load: async () => stored,
      save: async (_, keys) => {
        stored = keys;
      },
    },
    async fetchKeys(): Promise<FetchedKeys> {
      fetchesAtMs.push(clock.now());
      const document = { keys: published };
      await gate;
      if (fault) throw fault;
      return { document, statedAtMs: undefined };
    },
    ...changes,
  });
}

/** What a token of this key meets: "good", "refused", or a problem's code. */
async function tell(keys: KeySource, keyId: string, ageMs = 0): Promise<string> {
  const issuedAt = Math.floor((clock.now() - ageMs) / 1000);
  try {
    const found = await keys.find({ algorithm: "ES256", keyId, issuedAt });
    return found.length > 0 ? "good" : "refused";
  } catch (error) {
    return problemOf(error).code;
  }
}

const times = <Item>(count: number, make: (index: number) => Item) =>
  Array.from({ length: count }, (_, index) => make(index));

describe("a key source, cold", () => {
  it("fetches once for all tokens that come at once", async () => {
    const keys = source();
    expect(new Set(await Promise.all(times(100, () => tell(keys, "first"))))).toEqual(new Set(["good"]));
    expect(fetchesAtMs).toHaveLength(1);
  });

  it("answers ISSUER_UNAVAILABLE while the issuer fails, with one fetch per cooldown", async () => {
    const keys = source();
    fault = new Error("down");
    for (let second = 0; second < 30; second += 1) {
      expect(await Promise.all(times(10, (index) => tell(keys, `key-${index}`)))).toEqual(
        Array(10).fill("ISSUER_UNAVAILABLE"),
      );
      keys.upkeep();
      await clock.advance(1_000);
    }
    expect(fetchesAtMs).toEqual([START_MS, START_MS + 10_000, START_MS + 20_000]);
    fault = undefined;
    expect(await tell(keys, "first")).toBe("good");
  });

  it("waits for a slow issuer, in one fetch", async () => {
    const keys = source();
    const open = Promise.withResolvers<void>();
    gate = open.promise;
    const answers = times(50, () => tell(keys, "first"));
    await clock.advance(4_000);
    expect(fetchesAtMs).toHaveLength(1);
    open.resolve();
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["good"]));
  });

  it("says once in the log that the issuer fails, and that it is back", async () => {
    const keys = source();
    fault = new Error("down");
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await tell(keys, "first");
      await clock.advance(10_000);
    }
    fault = undefined;
    await tell(keys, "first");
    expect(logged).toEqual(["Issuer's keys cannot be had.", "Issuer's keys fetched."]);
  });
});

describe("a key source, at a rotation", () => {
  it("takes all tokens of the new key with one fetch, also right after the last one", async () => {
    const keys = source();
    expect(await tell(keys, "first")).toBe("good");
    published = [first.jwk, second.jwk];
    const answers = await Promise.all(times(100, (index) => tell(keys, index % 2 ? "first" : "second")));
    expect(new Set(answers)).toEqual(new Set(["good"]));
    expect(fetchesAtMs).toHaveLength(2);
  });

  it("takes tokens of the new key also when the set was being fetched as the key changed", async () => {
    const keys = source();
    await tell(keys, "first");
    await clock.advance(5 * MINUTES);
    const open = Promise.withResolvers<void>();
    gate = open.promise;
    keys.upkeep();
    published = [first.jwk, second.jwk];
    const answers = times(20, () => tell(keys, "second"));
    await settle();
    expect(fetchesAtMs).toHaveLength(2);
    open.resolve();
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["good"]));
    expect(fetchesAtMs).toHaveLength(3);
  });

  it("lets tokens of the new key wait, rather than refuse them, when unknown keys were just asked for", async () => {
    const keys = source();
    await tell(keys, "first");
    expect(await tell(keys, "forged")).toBe("refused");
    await clock.advance(2_000);
    published = [first.jwk, second.jwk];
    const answers = Promise.all(times(20, () => tell(keys, "second")));
    await clock.advance(7_999);
    expect(fetchesAtMs).toHaveLength(2);
    await clock.advance(1);
    expect(new Set(await answers)).toEqual(new Set(["good"]));
    expect(fetchesAtMs).toEqual([START_MS, START_MS, START_MS + 10_000]);
  });

  it("refuses a removed key within the set's life, also when nobody came meanwhile", async () => {
    const keys = source();
    await tell(keys, "first");
    published = [second.jwk];
    await clock.advance(5 * MINUTES);
    keys.upkeep();
    await settle();
    expect(await tell(keys, "first", 6 * MINUTES)).toBe("refused");

    published = [third.jwk];
    await clock.advance(10 * MINUTES);
    expect(await tell(keys, "second", 1 * HOURS)).toBe("refused");
    expect(await tell(keys, "third")).toBe("good");
  });

  it("takes an issuer's word that it has no keys any more", async () => {
    const keys = source();
    await tell(keys, "first");
    published = [];
    await clock.advance(10 * MINUTES);
    expect(await tell(keys, "first", 1 * HOURS)).toBe("refused");
  });
});

describe("a key source, under a flood of unknown keys", () => {
  it("makes one fetch per cooldown, and refuses what was issued before the last", async () => {
    const keys = source();
    await tell(keys, "first");
    for (let second = 0; second < 60; second += 1) {
      const answers = await Promise.all(
        times(50, (index) => tell(keys, `forged-${second}-${index}`, 30 * MINUTES)),
      );
      expect(new Set(answers)).toEqual(new Set(["refused"]));
      expect(await tell(keys, "first")).toBe("good");
      await clock.advance(1_000);
    }
    expect(fetchesAtMs.map((time) => (time - START_MS) / 1_000)).toEqual([0, 0, 10, 20, 30, 40, 50]);
  });

  it("lets those wait that claim to be new, and refuses them after one fetch", async () => {
    const keys = source();
    await tell(keys, "first");
    await tell(keys, "forged");
    await clock.advance(1_000);
    const answers = times(1_000, (index) => tell(keys, `forged-${index}`));
    // There is room for a thousand.
    expect(await tell(keys, "one-too-many")).toBe("ISSUER_UNAVAILABLE");
    expect(await tell(keys, "first")).toBe("good");
    await clock.advance(9_000);
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["refused"]));
    expect(fetchesAtMs).toHaveLength(3);
    await clock.advance(1_000);
    const next = tell(keys, "forged-again");
    await clock.advance(9_000);
    expect(await next).toBe("refused");
  });

  it("does not fetch for a known key with another algorithm, nor for tokens without a key id", async () => {
    const keys = source();
    await tell(keys, "first");
    const issuedAt = START_MS / 1000;
    expect(await keys.find({ algorithm: "RS256", keyId: "first", issuedAt })).toEqual([]);
    expect(await keys.find({ algorithm: "RS256", keyId: undefined, issuedAt })).toEqual([]);
    expect(await keys.find({ algorithm: "ES256", keyId: undefined, issuedAt })).toHaveLength(1);
    expect(fetchesAtMs).toHaveLength(1);
  });

  it("goes by the issuer's clock where it is known", async () => {
    const behindMs = 20_000;
    const keys = source({
      async fetchKeys() {
        fetchesAtMs.push(clock.now());
        return { document: { keys: published }, statedAtMs: clock.now() - behindMs };
      },
    });
    await tell(keys, "first");
    await tell(keys, "forged");
    await clock.advance(2_000);
    // Issued now, which the issuer's clock calls 18 s ago: after the last fetch all the same.
    published = [first.jwk, second.jwk];
    const answer = tell(keys, "second", behindMs);
    await clock.advance(8_000);
    expect(await answer).toBe("good");
    expect(await tell(keys, "forged", behindMs + 1_000)).toBe("refused");
  });
});

describe("a key source whose issuer fails", () => {
  async function warm(): Promise<KeySource> {
    const keys = source();
    await tell(keys, "first");
    fault = new Error("down");
    return keys;
  }

  it("goes on with the last good set for 24 hours, and no longer, with one fetch per cooldown", async () => {
    const keys = await warm();
    for (let hour = 0; hour < 24; hour += 1) {
      expect(await tell(keys, "first")).toBe("good");
      keys.upkeep();
      keys.upkeep();
      await clock.advance(1 * HOURS);
    }
    expect(fetchesAtMs).toHaveLength(24);
    expect(await tell(keys, "first")).toBe("ISSUER_UNAVAILABLE");
    expect(await tell(keys, "forged")).toBe("ISSUER_UNAVAILABLE");
    expect(fetchesAtMs).toHaveLength(25);
    fault = undefined;
    await clock.advance(10_000);
    expect(await tell(keys, "first")).toBe("good");
  });

  it("does not let known keys wait for it", async () => {
    const keys = await warm();
    await clock.advance(10 * MINUTES);
    await tell(keys, "first");
    await clock.advance(1 * HOURS);
    gate = new Promise(() => undefined);
    keys.upkeep();
    expect(await tell(keys, "first")).toBe("good");
  });

  it("refuses unknown keys of old tokens, and answers ISSUER_UNAVAILABLE where only the issuer could tell", async () => {
    const keys = await warm();
    await clock.advance(20_000);
    expect(await tell(keys, "forged", 30_000)).toBe("refused");
    expect(await tell(keys, "second")).toBe("ISSUER_UNAVAILABLE");
    expect(await tell(keys, "second")).toBe("ISSUER_UNAVAILABLE");
    expect(fetchesAtMs).toHaveLength(2);
  });

  it("is asked again by those who wait only after the cooldown of the failure", async () => {
    const keys = source();
    await tell(keys, "first");
    await tell(keys, "forged");
    await clock.advance(4_000);
    const waiting = tell(keys, "second");
    await settle();
    fault = new Error("down");
    await clock.advance(6_000);
    expect(await waiting).toBe("ISSUER_UNAVAILABLE");
    await clock.advance(5_000);
    expect(await tell(keys, "second")).toBe("ISSUER_UNAVAILABLE");
    expect(fetchesAtMs).toHaveLength(3);
  });

  it("leaves it alone after a failure, whatever asks next", async () => {
    const keys = await warm();
    await clock.advance(5 * MINUTES);
    keys.upkeep();
    await clock.advance(1_000);
    expect(await tell(keys, "second")).toBe("ISSUER_UNAVAILABLE");
    expect(await tell(keys, "forged", 1 * HOURS)).toBe("refused");
    keys.upkeep();
    expect(fetchesAtMs).toHaveLength(2);
  });

  it("is asked first again, once it was back", async () => {
    const keys = await warm();
    await clock.advance(5 * MINUTES);
    keys.upkeep();
    await clock.advance(10_000);
    fault = undefined;
    keys.upkeep();
    published = [second.jwk];
    await clock.advance(10 * MINUTES);
    expect(await tell(keys, "first", 1 * HOURS)).toBe("refused");
  });

  it("keeps the good set when the issuer answers what is none", async () => {
    const keys = source({
      async fetchKeys() {
        fetchesAtMs.push(clock.now());
        return {
          document: fetchesAtMs.length > 1 ? { keys: {} } : { keys: published },
          statedAtMs: undefined,
        };
      },
    });
    await tell(keys, "first");
    await clock.advance(1 * HOURS);
    expect(await tell(keys, "first")).toBe("good");
    expect(fetchesAtMs).toHaveLength(2);
  });
});

describe("a key source after a restart", () => {
  it("stores what it has fetched", async () => {
    await tell(source(), "first");
    const { kty, crv, x, y, alg, kid } = first.jwk;
    expect(stored).toEqual({ keys: [{ kty, crv, x, y, alg, kid }], fetchedAtMs: START_MS });
  });

  it("works on with the stored set while the issuer is down", async () => {
    await tell(source(), "first");
    fault = new Error("down");
    await clock.advance(23 * HOURS);
    const keys = source();
    await keys.open();
    expect(await tell(keys, "first")).toBe("good");
    await clock.advance(1 * HOURS);
    expect(await tell(keys, "first")).toBe("ISSUER_UNAVAILABLE");
  });

  it("asks the issuer first when the stored set is older than its life", async () => {
    await tell(source(), "first");
    published = [second.jwk];
    await clock.advance(1 * HOURS);
    const keys = source();
    await keys.open();
    expect(await tell(keys, "first", 2 * HOURS)).toBe("refused");
    expect(await tell(keys, "second")).toBe("good");
  });

  it("does not ask the issuer when the stored set is fresh", async () => {
    await tell(source(), "first");
    await clock.advance(1 * MINUTES);
    const keys = source();
    await keys.open();
    expect(await tell(keys, "first")).toBe("good");
    expect(fetchesAtMs).toHaveLength(1);
  });

  it("takes up what another replica has stored meanwhile", async () => {
    fault = new Error("down");
    const keys = source();
    await keys.open();
    expect(await tell(keys, "first")).toBe("ISSUER_UNAVAILABLE");
    stored = { keys: [{ ...first.jwk, alg: "ES256" } as never], fetchedAtMs: clock.now() };
    await clock.advance(10_000);
    await tell(keys, "first");
    await settle();
    expect(await tell(keys, "first")).toBe("good");
  });

  it("does not take up a stored set that is older than its own", async () => {
    const load = Promise.withResolvers<StoredKeys>();
    const keys = source({ store: { load: () => load.promise, save: async () => undefined } });
    const opened = keys.open();
    expect(await tell(keys, "first")).toBe("good");
    load.resolve({ keys: [{ ...second.jwk, alg: "ES256" } as never], fetchedAtMs: START_MS - 1 });
    await opened;
    expect(await tell(keys, "first")).toBe("good");
  });

  it("works without its store", async () => {
    const broken = {
      load: () => Promise.reject(new Error("gone")),
      save: () => Promise.reject(new Error("gone")),
    };
    const keys = source({ store: broken });
    await keys.open();
    expect(await tell(keys, "first")).toBe("good");
    expect(logged).toContain("Issuer's stored keys cannot be read.");
    expect(logged).toContain("Issuer's keys cannot be stored.");
  });

  it("does not take a stored set for younger when the clock was set back", async () => {
    await tell(source(), "first");
    fault = new Error("down");
    await clock.advance(-25 * HOURS);
    const keys = source();
    await keys.open();
    expect(await tell(keys, "first")).toBe("ISSUER_UNAVAILABLE");
  });
});

describe("closing a key source", () => {
  it("answers those who wait", async () => {
    const keys = source();
    await tell(keys, "first");
    await tell(keys, "forged");
    await clock.advance(1_000);
    const waiting = times(3, () => tell(keys, "second"));
    await settle();
    await keys.close();
    expect(await Promise.all(waiting)).toEqual(Array(3).fill("ISSUER_UNAVAILABLE"));
  });
});
