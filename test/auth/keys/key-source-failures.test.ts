import { beforeEach, describe, expect, it } from "@jest/globals";
import type { KeySource } from "../../../services/auth/key-source.ts";
import type { StoredKeys } from "../../../services/auth/key-store.ts";
import { first, HOURS, KeyWorld, MINUTES, START_MS, second, settle, times } from "./key-world.ts";

let world: KeyWorld;

beforeEach(() => {
  world = new KeyWorld();
});

describe("a key source whose issuer fails", () => {
  async function warm(): Promise<KeySource> {
    const keys = world.source();
    await world.tell(keys, "first");
    world.fault = new Error("down");
    return keys;
  }

  it("goes on with the last good set for 24 hours, and no longer, with one fetch per cooldown", async () => {
    const keys = await warm();
    for (let hour = 0; hour < 24; hour += 1) {
      expect(await world.tell(keys, "first")).toBe("good");
      keys.upkeep();
      keys.upkeep();
      await world.clock.advance(1 * HOURS);
    }
    expect(world.fetchesAtMs).toHaveLength(24);
    expect(await world.tell(keys, "first")).toBe("ISSUER_UNAVAILABLE");
    expect(await world.tell(keys, "forged")).toBe("ISSUER_UNAVAILABLE");
    expect(world.fetchesAtMs).toHaveLength(25);
    world.fault = undefined;
    await world.clock.advance(10_000);
    expect(await world.tell(keys, "first")).toBe("good");
  });

  it("does not let known keys wait for it", async () => {
    const keys = await warm();
    await world.clock.advance(10 * MINUTES);
    await world.tell(keys, "first");
    await world.clock.advance(1 * HOURS);
    world.gate = new Promise(() => undefined);
    keys.upkeep();
    expect(await world.tell(keys, "first")).toBe("good");
  });

  it("refuses unknown keys of old tokens, and answers ISSUER_UNAVAILABLE where only the issuer could tell", async () => {
    const keys = await warm();
    await world.clock.advance(20_000);
    expect(await world.tell(keys, "forged", 30_000)).toBe("refused");
    expect(await world.tell(keys, "second")).toBe("ISSUER_UNAVAILABLE");
    expect(await world.tell(keys, "second")).toBe("ISSUER_UNAVAILABLE");
    expect(world.fetchesAtMs).toHaveLength(2);
  });

  it("is asked again by those who wait only after the cooldown of the failure", async () => {
    const keys = world.source();
    await world.tell(keys, "first");
    await world.tell(keys, "forged");
    await world.clock.advance(4_000);
    const waiting = world.tell(keys, "second");
    await settle();
    world.fault = new Error("down");
    await world.clock.advance(6_000);
    expect(await waiting).toBe("ISSUER_UNAVAILABLE");
    await world.clock.advance(5_000);
    expect(await world.tell(keys, "second")).toBe("ISSUER_UNAVAILABLE");
    expect(world.fetchesAtMs).toHaveLength(3);
  });

  it("leaves it alone after a failure, whatever asks next", async () => {
    const keys = await warm();
    await world.clock.advance(5 * MINUTES);
    keys.upkeep();
    await world.clock.advance(1_000);
    expect(await world.tell(keys, "second")).toBe("ISSUER_UNAVAILABLE");
    expect(await world.tell(keys, "forged", 1 * HOURS)).toBe("refused");
    keys.upkeep();
    expect(world.fetchesAtMs).toHaveLength(2);
  });

  it("is asked first again, once it was back", async () => {
    const keys = await warm();
    await world.clock.advance(5 * MINUTES);
    keys.upkeep();
    await world.clock.advance(10_000);
    world.fault = undefined;
    keys.upkeep();
    world.published = [second.jwk];
    await world.clock.advance(10 * MINUTES);
    expect(await world.tell(keys, "first", 1 * HOURS)).toBe("refused");
  });

  it("keeps the good set when the issuer answers what is none", async () => {
    const keys = world.source({
      fetchKeys: () => world.fetch({ keys: world.fetchesAtMs.length > 0 ? {} : world.published }),
    });
    await world.tell(keys, "first");
    await world.clock.advance(1 * HOURS);
    expect(await world.tell(keys, "first")).toBe("good");
    expect(world.fetchesAtMs).toHaveLength(2);
  });
});

describe("a key source after a restart", () => {
  it("stores what it has fetched", async () => {
    await world.tell(world.source(), "first");
    const { kty, crv, x, y, alg, kid } = first.jwk;
    expect(world.stored).toEqual({ keys: [{ kty, crv, x, y, alg, kid }], fetchedAtMs: START_MS });
  });

  it("works on with the stored set while the issuer is down", async () => {
    await world.tell(world.source(), "first");
    world.fault = new Error("down");
    await world.clock.advance(23 * HOURS);
    const keys = world.source();
    await keys.open();
    expect(await world.tell(keys, "first")).toBe("good");
    await world.clock.advance(1 * HOURS);
    expect(await world.tell(keys, "first")).toBe("ISSUER_UNAVAILABLE");
  });

  it("asks the issuer first when the stored set is older than its life", async () => {
    await world.tell(world.source(), "first");
    world.published = [second.jwk];
    await world.clock.advance(1 * HOURS);
    const keys = world.source();
    await keys.open();
    expect(await world.tell(keys, "first", 2 * HOURS)).toBe("refused");
    expect(await world.tell(keys, "second")).toBe("good");
  });

  it("does not ask the issuer when the stored set is fresh", async () => {
    await world.tell(world.source(), "first");
    await world.clock.advance(1 * MINUTES);
    const keys = world.source();
    await keys.open();
    expect(await world.tell(keys, "first")).toBe("good");
    expect(world.fetchesAtMs).toHaveLength(1);
  });

  it("takes up what another replica has stored meanwhile", async () => {
    world.fault = new Error("down");
    const keys = world.source();
    await keys.open();
    expect(await world.tell(keys, "first")).toBe("ISSUER_UNAVAILABLE");
    world.stored = { keys: [{ ...first.jwk, alg: "ES256" } as never], fetchedAtMs: world.clock.now() };
    await world.clock.advance(10_000);
    await world.tell(keys, "first");
    await settle();
    expect(await world.tell(keys, "first")).toBe("good");
  });

  it("does not take up a stored set that is older than its own", async () => {
    const load = Promise.withResolvers<StoredKeys>();
    const keys = world.source({ store: { load: () => load.promise, save: async () => undefined } });
    const opened = keys.open();
    expect(await world.tell(keys, "first")).toBe("good");
    load.resolve({ keys: [{ ...second.jwk, alg: "ES256" } as never], fetchedAtMs: START_MS - 1 });
    await opened;
    expect(await world.tell(keys, "first")).toBe("good");
    expect(world.fetchesAtMs).toHaveLength(1);
  });

  it("works without its store", async () => {
    const broken = {
      load: () => Promise.reject(new Error("gone")),
      save: () => Promise.reject(new Error("gone")),
    };
    const keys = world.source({ store: broken });
    await keys.open();
    expect(await world.tell(keys, "first")).toBe("good");
    expect(world.logged).toContain("Issuer's stored keys cannot be read.");
    expect(world.logged).toContain("Issuer's keys cannot be stored.");
  });

  it("does not take a stored set for younger when the clock was set back", async () => {
    await world.tell(world.source(), "first");
    world.fault = new Error("down");
    await world.clock.advance(-25 * HOURS);
    const keys = world.source();
    await keys.open();
    expect(await world.tell(keys, "first")).toBe("ISSUER_UNAVAILABLE");
  });
});

describe("closing a key source", () => {
  it("answers those who wait", async () => {
    const keys = world.source();
    await world.tell(keys, "first");
    await world.tell(keys, "forged");
    await world.clock.advance(1_000);
    const waiting = times(3, () => world.tell(keys, "second"));
    await settle();
    await keys.close();
    expect(await Promise.all(waiting)).toEqual(Array(3).fill("ISSUER_UNAVAILABLE"));
  });
});
