import { beforeEach, describe, expect, it } from "@jest/globals";
import { first, HOURS, KeyWorld, MINUTES, START_MS, second, settle, third, times } from "./key-world.ts";

let world: KeyWorld;

beforeEach(() => {
  world = new KeyWorld();
});

describe("a key source, cold", () => {
  it("fetches once for all tokens that come at once", async () => {
    const keys = world.source();
    expect(new Set(await Promise.all(times(100, () => world.tell(keys, "first"))))).toEqual(
      new Set(["good"]),
    );
    expect(world.fetchesAtMs).toHaveLength(1);
  });

  it("answers ISSUER_UNAVAILABLE while the issuer fails, with one fetch per cooldown", async () => {
    const keys = world.source();
    world.fault = new Error("down");
    for (let second = 0; second < 30; second += 1) {
      expect(await Promise.all(times(10, (index) => world.tell(keys, `key-${index}`)))).toEqual(
        Array(10).fill("ISSUER_UNAVAILABLE"),
      );
      keys.upkeep();
      await world.clock.advance(1_000);
    }
    expect(world.fetchesAtMs).toEqual([START_MS, START_MS + 10_000, START_MS + 20_000]);
    world.fault = undefined;
    expect(await world.tell(keys, "first")).toBe("good");
  });

  it("waits for a slow issuer, in one fetch", async () => {
    const keys = world.source();
    const open = Promise.withResolvers<void>();
    world.gate = open.promise;
    const answers = times(50, () => world.tell(keys, "first"));
    await world.clock.advance(4_000);
    expect(world.fetchesAtMs).toHaveLength(1);
    open.resolve();
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["good"]));
  });

  it("says once in the log that the issuer fails, and that it is back", async () => {
    const keys = world.source();
    world.fault = new Error("down");
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await world.tell(keys, "first");
      await world.clock.advance(10_000);
    }
    world.fault = undefined;
    await world.tell(keys, "first");
    expect(world.logged).toEqual(["Issuer's keys cannot be had.", "Issuer's keys fetched."]);
  });
});

describe("a key source, at a rotation", () => {
  it("takes all tokens of the new key with one fetch, also right after the last one", async () => {
    const keys = world.source();
    expect(await world.tell(keys, "first")).toBe("good");
    world.published = [first.jwk, second.jwk];
    const answers = await Promise.all(
      times(100, (index) => world.tell(keys, index % 2 ? "first" : "second")),
    );
    expect(new Set(answers)).toEqual(new Set(["good"]));
    expect(world.fetchesAtMs).toHaveLength(2);
  });

  it("takes tokens of the new key also when the set was being fetched as the key changed", async () => {
    const keys = world.source();
    await world.tell(keys, "first");
    await world.clock.advance(5 * MINUTES);
    const open = Promise.withResolvers<void>();
    world.gate = open.promise;
    keys.upkeep();
    world.published = [first.jwk, second.jwk];
    const answers = times(20, () => world.tell(keys, "second"));
    await settle();
    expect(world.fetchesAtMs).toHaveLength(2);
    open.resolve();
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["good"]));
    expect(world.fetchesAtMs).toHaveLength(3);
  });

  it("lets tokens of the new key wait, rather than refuse them, when unknown keys were just asked for", async () => {
    const keys = world.source();
    await world.tell(keys, "first");
    expect(await world.tell(keys, "forged")).toBe("refused");
    await world.clock.advance(2_000);
    world.published = [first.jwk, second.jwk];
    const answers = Promise.all(times(20, () => world.tell(keys, "second")));
    await world.clock.advance(7_999);
    expect(world.fetchesAtMs).toHaveLength(2);
    await world.clock.advance(1);
    expect(new Set(await answers)).toEqual(new Set(["good"]));
    expect(world.fetchesAtMs).toEqual([START_MS, START_MS, START_MS + 10_000]);
  });

  it("refuses a removed key within the set's life, also when nobody came meanwhile", async () => {
    const keys = world.source();
    await world.tell(keys, "first");
    world.published = [second.jwk];
    await world.clock.advance(5 * MINUTES);
    keys.upkeep();
    await settle();
    expect(await world.tell(keys, "first", 6 * MINUTES)).toBe("refused");

    world.published = [third.jwk];
    await world.clock.advance(10 * MINUTES);
    expect(await world.tell(keys, "second", 1 * HOURS)).toBe("refused");
    expect(await world.tell(keys, "third")).toBe("good");
  });

  it("takes an issuer's word that it has no keys any more", async () => {
    const keys = world.source();
    await world.tell(keys, "first");
    world.published = [];
    await world.clock.advance(10 * MINUTES);
    expect(await world.tell(keys, "first", 1 * HOURS)).toBe("refused");
  });
});

describe("a key source, under a flood of unknown keys", () => {
  it("makes one fetch per cooldown, and refuses what was issued before the last", async () => {
    const keys = world.source();
    await world.tell(keys, "first");
    for (let second = 0; second < 60; second += 1) {
      const answers = await Promise.all(
        times(50, (index) => world.tell(keys, `forged-${second}-${index}`, 30 * MINUTES)),
      );
      expect(new Set(answers)).toEqual(new Set(["refused"]));
      expect(await world.tell(keys, "first")).toBe("good");
      await world.clock.advance(1_000);
    }
    expect(world.fetchesAtMs.map((time) => (time - START_MS) / 1_000)).toEqual([0, 0, 10, 20, 30, 40, 50]);
  });

  it("lets those wait that claim to be new, and refuses them after one fetch", async () => {
    const keys = world.source();
    await world.tell(keys, "first");
    await world.tell(keys, "forged");
    await world.clock.advance(1_000);
    const answers = times(1_000, (index) => world.tell(keys, `forged-${index}`));
    // There is room for a thousand.
    expect(await world.tell(keys, "one-too-many")).toBe("ISSUER_UNAVAILABLE");
    expect(await world.tell(keys, "first")).toBe("good");
    await world.clock.advance(9_000);
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["refused"]));
    expect(world.fetchesAtMs).toHaveLength(3);
    await world.clock.advance(1_000);
    const next = world.tell(keys, "forged-again");
    await world.clock.advance(9_000);
    expect(await next).toBe("refused");
  });

  it("does not fetch for a known key with another algorithm, nor for tokens without a key id", async () => {
    const keys = world.source();
    await world.tell(keys, "first");
    const issuedAt = START_MS / 1000;
    expect(await keys.find({ algorithm: "RS256", keyId: "first", issuedAt })).toEqual([]);
    expect(await keys.find({ algorithm: "RS256", keyId: undefined, issuedAt })).toEqual([]);
    expect(await keys.find({ algorithm: "ES256", keyId: undefined, issuedAt })).toHaveLength(1);
    expect(world.fetchesAtMs).toHaveLength(1);
  });

  it("goes by the issuer's clock where it is known", async () => {
    const behindMs = 20_000;
    const keys = world.source({
      fetchKeys: () => world.fetch({ keys: world.published }, world.clock.now() - behindMs),
    });
    await world.tell(keys, "first");
    await world.tell(keys, "forged");
    await world.clock.advance(2_000);
    // Issued now, which the issuer's clock calls 18 s ago: after the last fetch all the same.
    world.published = [first.jwk, second.jwk];
    const answer = world.tell(keys, "second", behindMs);
    await world.clock.advance(8_000);
    expect(await answer).toBe("good");
    expect(await world.tell(keys, "forged", behindMs + 1_000)).toBe("refused");
  });
});
