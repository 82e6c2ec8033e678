import { queryObjects } from "node:v8";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import type { Outside } from "../../../services/common/service.ts";
import { pause, until } from "../database/pools.ts";
import { type EventGround, startEventGround } from "./ground.ts";
import { writeDown } from "./story.ts";

let ground: EventGround;

beforeAll(async () => {
  ground = await startEventGround();
});
afterEach(() => ground.reset());
afterAll(() => ground.stop());

const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

async function effectCount(): Promise<number> {
  return Object.values(await ground.effects()).flat().length;
}

describe("relays of several replicas", () => {
  it("never deliver at the same time", async () => {
    await ground.listener();
    const inFlight = new Map<string, number>();
    const together: string[] = [];
    const delivered = new Set<string>();
    const watched =
      (relay: string) =>
      (outside: Outside): Outside => ({
        ...outside,
        async call(action, params, limitMs) {
          inFlight.set(relay, (inFlight.get(relay) ?? 0) + 1);
          delivered.add(relay);
          const active = [...inFlight].filter(([, count]) => count > 0).map(([name]) => name);
          if (active.length > 1) together.push(active.join("+"));
          try {
            return await outside.call(action, params, limitMs);
          } finally {
            inFlight.set(relay, (inFlight.get(relay) ?? 0) - 1);
          }
        },
      });
    const tellers = [await ground.relay(watched("one")), await ground.relay(watched("two"))];
    for (const round of range(20)) {
      await Promise.all(tellers.map(({ say }, teller) => say(`${teller}-${round}`, range(10))));
      // Whoever has the turn lets go of it.
      if (round === 10) await tellers[delivered.has("one") ? 0 : 1]?.events.end();
      await pause(20);
    }
    await ground.untilTold();
    expect(together).toEqual([]);
    expect(await effectCount()).toBe(400);
    expect(delivered.size).toBe(2);
  });

  it("hold no connection while there is nothing to tell", async () => {
    const { pool } = await ground.relay();
    await pause(300);
    expect(pool.counts()).toMatchObject({ active: 0 });
  });
});

describe("a relay that works for long", () => {
  it("keeps nothing of the rounds that are over", async () => {
    await ground.listener();
    const { say } = await ground.relay();
    const tell = async (numbers: readonly number[]) => {
      for (const number of numbers) {
        await say("a", [number]);
        await ground.untilTold();
      }
    };
    await tell([1, 2, 3]);
    const before = queryObjects(AbortSignal, { format: "count" });
    await tell(range(40).map((number) => number + 3));
    expect(queryObjects(AbortSignal, { format: "count" }) - before).toBeLessThan(20);
  });
});

describe("a relay that ends", () => {
  it("lets what is under way come to its end, begins nothing more, and leaves the rest to the others", async () => {
    const begun = Promise.withResolvers<void>();
    await ground.listener(async (query, event) => {
      begun.resolve();
      await pause(200);
      await writeDown(query, event);
    });
    const { say, events } = await ground.relay();
    await say("a", [1, 2, 3]);
    await begun.promise;
    await events.end();
    expect(await ground.effects()).toEqual({ a: [1] });
    expect(await ground.outbox("listeners.heard")).toHaveLength(2);
    await ground.relay();
    await ground.untilTold();
    expect(await ground.effects()).toEqual({ a: [1, 2, 3] });
  });

  it("waits for a hearer only so long", async () => {
    const begun = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    await ground.listener(async (query, event) => {
      begun.resolve();
      await go.promise;
      await writeDown(query, event);
    });
    const { say, events } = await ground.relay();
    await say("a", [1, 2]);
    await begun.promise;
    await events.end(50);
    expect(await ground.outbox("listeners.heard")).toMatchObject([{ silences: 0 }, { silences: 0 }]);
    go.resolve();
    await ground.relay();
    await ground.untilTold();
    expect(await ground.effects()).toEqual({ a: [1, 2] });
  });
});

describe("a relay that dies in the middle", () => {
  it("is followed by another: nothing is lost, nothing comes twice, and the order stays", async () => {
    await ground.listener(async (query, event) => {
      await writeDown(query, event);
      await pause(2);
    });
    const { say } = await ground.teller();
    for (const aggregate of range(10)) await say(`${aggregate}`, range(100));
    const dying = await ground.process("teller");
    await until(async () => (await effectCount()) > 100);
    dying.kill("SIGKILL");
    const counted = await effectCount();
    expect(counted).toBeLessThan(1_000);
    await ground.process("teller");
    await ground.untilTold();
    expect(await ground.effects()).toEqual(Object.fromEntries(range(10).map((each) => [each, range(100)])));
  });
});

describe("a relay that freezes in the middle", () => {
  it("has lost its turn within 30 s, and does no harm when it goes on", async () => {
    const begun = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    await ground.listener(async (query, event) => {
      await writeDown(query, event);
      begun.resolve();
      await go.promise;
    });
    const { say } = await ground.teller();
    await say("a", range(20));
    const frozen = await ground.process("teller");
    await begun.promise;
    frozen.kill("SIGSTOP");
    go.resolve();
    await ground.process("teller");
    await ground.untilTold(30_000);
    frozen.kill("SIGCONT");
    await say("a", range(40).slice(20));
    await ground.untilTold();
    await pause(500);
    expect(await ground.effects()).toEqual({ a: range(40) });
  }, 60_000);
});

describe("a relay whose database connections are cut", () => {
  it("delivers everything once, in order", async () => {
    await ground.listener();
    const { say } = await ground.relay();
    for (const aggregate of range(10)) {
      await say(`${aggregate}`, range(30));
      await ground.database.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name in ('tellers', 'listeners') and datname = current_database()",
      );
      await pause(50);
    }
    await ground.untilTold();
    expect(await ground.effects()).toEqual(Object.fromEntries(range(10).map((each) => [each, range(30)])));
    expect(await ground.setAside()).toEqual([]);
  });
});
