import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { Counts } from "../../services/auth/contract/request-count.ts";
import { countRequests } from "../../services/auth/request-counts.ts";
import { readDatabaseSettings } from "../../services/common/database/config.ts";
import { type Database, openDatabase } from "../../services/common/database/database.ts";
import { RateLimit, type RateLimitOptions } from "../../services/gateway/rate-limit.ts";
import { Tally, type Window } from "../../services/gateway/tally.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";

/** So long that none of them ends during a test. */
const WINDOW_SECONDS = 3_600;
const GATEWAYS = 3;

const silent = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  debug: () => undefined,
};
let cloned: TestDatabase;
let database: Database;
const begun: RateLimit[] = [];
let isAway = false;

beforeAll(async () => {
  cloned = await cloneDatabase();
  const settings = readDatabaseSettings("auth", { DATABASE_URL: cloned.url });
  database = await openDatabase({ settings, entities: [], migrations: [], log: silent });
});
afterEach(() => {
  isAway = false;
  for (const limit of begun.splice(0)) limit.stop();
});
afterAll(async () => {
  await database.close();
  await cloned.drop();
});

/** What each of several gateways has. */
function gateways(limit: number, options: Partial<RateLimitOptions> = {}): RateLimit[] {
  const made = Array.from(
    { length: GATEWAYS },
    () =>
      new RateLimit({
        kind: "user",
        limit,
        windowSeconds: WINDOW_SECONDS,
        gateways: () => GATEWAYS,
        log: silent,
        tell: async (counts) => {
          if (isAway) throw new Error("away");
          return countRequests(database.pool, Counts.parse(counts), WINDOW_SECONDS);
        },
        ...options,
      }),
  );
  begun.push(...made);
  return made;
}

/** How many of a caller's requests are let through, when so many come to each gateway, several at once. */
async function flood(limits: readonly RateLimit[], caller: string, requests: number, atOnce = 50) {
  const admitted = await Promise.all(
    limits.map(async (limit) => {
      let left = requests;
      let count = 0;
      async function client(): Promise<void> {
        while (left > 0) {
          left -= 1;
          const { isAdmitted } = await limit.admit(caller);
          if (isAdmitted) count += 1;
          // As between two requests of one connection.
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      await Promise.all(Array.from({ length: atOnce }, client));
      return count;
    }),
  );
  return admitted.reduce((sum, count) => sum + count, 0);
}

describe("a rate limit", () => {
  it.each([30, 1_000])(
    "of %d requests is kept to within 2 % (or one request) by three gateways together",
    async (limit) => {
      const admitted = await flood(gateways(limit), `user:flood-${limit}`, limit);
      const tolerance = Math.max(1, limit * 0.02);
      expect(admitted).toBeGreaterThanOrEqual(limit - tolerance);
      expect(admitted).toBeLessThanOrEqual(limit + Math.max(GATEWAYS - 1, tolerance));
    },
  );

  it("knows at every gateway, also at a new one, what a caller has left", async () => {
    const [one, two] = gateways(1_000) as [RateLimit, RateLimit];
    await flood([one], "user:left", 600);
    await two.admit("user:left");
    await new Promise((resolve) => setTimeout(resolve, 200));
    const [fresh] = gateways(1_000) as [RateLimit];
    await fresh.admit("user:left");
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await fresh.admit("user:left")).toMatchObject({ remaining: 1_000 - 603 });
  });

  it("of one caller says nothing about another", async () => {
    const limits = gateways(30);
    await flood(limits, "user:greedy", 100);
    expect(await limits[0]?.admit("user:modest")).toMatchObject({ isAdmitted: true });
  });

  it("tells when it ends, and when to try again", async () => {
    const [limit] = gateways(3) as [RateLimit];
    for (const remaining of [2, 1, 0]) {
      expect(await limit.admit("user:patient")).toMatchObject({
        isAdmitted: true,
        remaining,
        retrySeconds: 0,
      });
    }
    const standing = await limit.admit("user:patient");
    expect(standing).toMatchObject({ isAdmitted: false, remaining: 0 });
    expect(standing.resetSeconds).toBeLessThanOrEqual(WINDOW_SECONDS);
    expect(standing.retrySeconds).toBeGreaterThanOrEqual(standing.resetSeconds);
  });

  it("is shared out while nobody can be told, and counts together again afterwards", async () => {
    const limits = gateways(300);
    isAway = true;
    const alone = await flood(limits, "user:alone", 300);
    // Before they know, each may have let its allowance through.
    expect(alone).toBeGreaterThanOrEqual(290);
    expect(alone).toBeLessThanOrEqual(306);
    isAway = false;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const [{ requests } = { requests: 0 }] = await cloned.query<{ requests: number }>(
      "select requests from auth.request_counts where caller = 'user:alone'",
    );
    expect(requests).toBe(alone);
  });

  it("counts together again also after a window has ended meanwhile", async () => {
    const told: string[] = [];
    const log = { ...silent, info: (message: string) => void told.push(message) };
    const [limit] = gateways(10, { windowSeconds: 1, log }) as [RateLimit];
    isAway = true;
    await limit.admit("user:over");
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (let count = 0; count < 10; count += 1) await limit.admit("user:over");
    // In the window after, what it has untold is forgotten, and it is still over its limit.
    await new Promise((resolve) => setTimeout(resolve, 950));
    await limit.admit("user:over");
    isAway = false;
    await limit.admit("user:other");
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(told).toEqual(["Rate limits are shared with the other gateways again."]);
  });

  it("keeps nobody waiting for what cannot be told, however many wait", async () => {
    const [limit] = gateways(10) as [RateLimit];
    const callers = Array.from({ length: 1_500 }, (_, index) => `user:waiting-${index}`);
    isAway = true;
    // The second one of each is one more than may be let through untold.
    const standings = callers.flatMap((caller) => [limit.admit(caller), limit.admit(caller)]);
    expect((await Promise.all(standings)).every(({ isAdmitted }) => isAdmitted)).toBe(true);
  });

  it("remembers only so many callers, whoever comes", async () => {
    isAway = true;
    const [limit] = gateways(100) as [RateLimit];
    await limit.admit("address:first");
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (let caller = 0; caller < 50_000; caller += 1) await limit.admit(`address:${caller}`);
    expect(limit.callers).toBeLessThanOrEqual(20_000);
  });
});

describe("a tally", () => {
  const window = (): Window => ({ limit: 100, lengthMs: 60_000, others: 0, allowance: 10 });
  const sum = (present: number, previous: number, elapsed_seconds: number) => ({
    present,
    previous,
    elapsed_seconds,
  });

  it("lets the window before count for the part that is still within reach", () => {
    const tally = new Tally(window(), 0);
    tally.settle(0, 0, sum(0, 100, 0));
    expect(tally.isFull(0)).toBe(true);
    expect(tally.standing(0, false).retrySeconds).toBe(1);
    expect(tally.standing(15_000, true).remaining).toBe(25);
    expect(tally.standing(60_000, true).remaining).toBe(100);
  });

  it("goes into the next window by itself, and forgets after two", () => {
    const tally = new Tally(window(), 0);
    tally.settle(0, 0, sum(100, 0, 0));
    expect(tally.isFull(59_999)).toBe(true);
    expect(tally.isFull(60_000)).toBe(true);
    expect(tally.isFull(61_000)).toBe(false);
    expect(tally.standing(90_000, true)).toMatchObject({ remaining: 50, resetSeconds: 30 });
    expect(tally.isFull(190_000)).toBe(false);
    expect(tally.standing(190_000, true).remaining).toBe(100);
  });

  it("says truly when there is room again", () => {
    for (const [present, previous, elapsed] of [
      [100, 0, 10],
      [0, 130, 3],
      [60, 80, 20],
      [140, 20, 59],
    ] as const) {
      const tally = new Tally(window(), 0);
      tally.settle(0, 0, sum(present, previous, elapsed));
      const { retrySeconds } = tally.standing(0, false);
      expect(tally.isFull(retrySeconds * 1000)).toBe(false);
      if (retrySeconds > 1) expect(tally.isFull((retrySeconds - 1) * 1000)).toBe(true);
    }
  });
});
