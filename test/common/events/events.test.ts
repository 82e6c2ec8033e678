import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import type { ServiceSchema } from "moleculer";
import { problem } from "../../../services/common/problem.ts";
import type { Outside } from "../../../services/common/service.ts";
import { pause, until } from "../database/pools.ts";
import { type EventGround, startEventGround } from "./ground.ts";
import { type Hear, type Said, writeDown } from "./story.ts";

let ground: EventGround;

beforeAll(async () => {
  ground = await startEventGround();
});
afterEach(() => ground.reset());
afterAll(() => ground.stop());

const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** A hearer that refuses a number of an aggregate so many times. */
function refusing(aggregate: string, number: number, times: number): Hear {
  let refused = 0;
  return async (query, event) => {
    await writeDown(query, event);
    if (event.aggregate_id !== aggregate || event.payload.number !== number || refused === times) return;
    refused += 1;
    throw new Error("secret");
  };
}

describe("an event", () => {
  it("is told after its transaction was committed, and never when it was rolled back", async () => {
    await ground.listener();
    const { say } = await ground.relay();
    const failing = say("a", [1], () => {
      throw new Error("No.");
    });
    await expect(failing).rejects.toThrow("No.");
    await say("a", [2]);
    await until(async () => "a" in (await ground.effects()));
    await ground.untilTold();
    expect(await ground.effects()).toEqual({ a: [2] });
  });

  it("comes with its id, its aggregate, the time when it happened and what it carries", async () => {
    const heard: Said[] = [];
    await ground.listener(async (_, event) => void heard.push(event));
    const { say } = await ground.relay();
    await say("a", [7]);
    await ground.untilTold();
    expect(heard).toEqual([
      {
        event_id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
        event: "tellers.said",
        aggregate_id: "a",
        occurred_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        sequence: expect.any(Number),
        payload: { number: 7 },
      },
    ]);
  });

  it("reaches whoever listens on the broker too, with the same id", async () => {
    const heard: Said[] = [];
    const emitted: unknown[] = [];
    await ground.listener(async (_, event) => void heard.push(event));
    const service = {
      name: "anyone",
      events: { "tellers.said": (ctx: { params: unknown }) => emitted.push(ctx.params) },
    };
    await ground.node([service as unknown as ServiceSchema]);
    const { say, broker } = await ground.relay();
    await broker.waitForServices("anyone", 5_000);
    await say("a", [1]);
    await until(() => emitted.length > 0 && heard.length > 0);
    expect(emitted).toEqual([{ ...heard[0], sequence: expect.any(Number) }]);
  });

  it("has one effect when the acknowledgement of its delivery is lost", async () => {
    await ground.listener();
    let calls = 0;
    const losing = (outside: Outside): Outside => ({
      ...outside,
      async call(action, params, limitMs) {
        const result = await outside.call(action, params, limitMs);
        calls += 1;
        if (calls % 2 === 1) throw Object.assign(new Error("lost"), { type: "REQUEST_TIMEOUT", code: 504 });
        return result;
      },
    });
    const { say } = await ground.relay(losing);
    await say("a", [1, 2, 3]);
    await ground.untilTold();
    expect(calls).toBe(6);
    expect(await ground.effects()).toEqual({ a: [1, 2, 3] });
  });

  it("has one effect when it is delivered many times at once", async () => {
    const { broker } = await ground.listener(async (query, event) => {
      await writeDown(query, event);
      await pause(50);
    });
    const said: Said = {
      event_id: "019c1378-a83b-7000-8000-0123456789ab",
      event: "tellers.said",
      aggregate_id: "a",
      occurred_at: new Date().toISOString(),
      sequence: 1,
      payload: { number: 1 },
    };
    const delivered = range(10).map(() => broker.call("listeners.heard", said));
    expect(await Promise.all(delivered)).toEqual(range(10).map(() => null));
    expect(await ground.effects()).toEqual({ a: [1] });
  });

  it("may carry more than its hearer knows: a newer teller adds members", async () => {
    const { broker } = await ground.listener();
    const said = {
      event_id: "019c1378-a83b-7000-8000-0123456789ab",
      event: "tellers.said",
      aggregate_id: "a",
      occurred_at: new Date().toISOString(),
      sequence: 1,
      payload: { number: 1, mood: "new" },
    };
    await broker.call("listeners.heard", said);
    expect(await ground.effects()).toEqual({ a: [1] });
  });

  it("is refused before it is stored when it carries what its contract does not allow", async () => {
    const { pool, events } = await ground.teller();
    const wrong = { number: 1.5 };
    await expect(
      events.store((statement) => pool.query(statement), "tellers.said", "a", wrong),
    ).rejects.toThrow();
    expect(await ground.outbox()).toEqual([]);
  });
});

describe("the order of events", () => {
  it("is kept within an aggregate while one of them fails, and the other aggregates do not wait", async () => {
    const order: string[] = [];
    const hear = refusing("a", 2, 2);
    await ground.listener(async (query, event) => {
      await hear(query, event);
      order.push(`${event.aggregate_id}${event.payload.number}`);
    });
    const { say, lines } = await ground.relay();
    await say("a", [1, 2, 3]);
    await say("b", range(20));
    await ground.untilTold();
    expect(await ground.effects()).toEqual({ a: [1, 2, 3], b: range(20) });
    expect(order.indexOf("b20")).toBeLessThan(order.indexOf("a2"));
    const warnings = lines.filter(({ level }) => level === "warn");
    expect(warnings).toHaveLength(2);
    expect(JSON.stringify(lines)).not.toContain("secret");
  });
});

describe("an event that fails in all attempts", () => {
  it("is set aside with its error, the later ones of its aggregate go on, and a metric counts it", async () => {
    await ground.listener(refusing("a", 2, 100));
    const { say, lines, events } = await ground.relay();
    await say("a", [1, 2, 3]);
    await say("b", [1]);
    await ground.untilTold();
    expect(await ground.effects()).toEqual({ a: [1, 3], b: [1] });
    expect(await ground.setAside()).toMatchObject([
      {
        aggregate_id: "a",
        hearer: "listeners.heard",
        payload: { number: 2 },
        failures: 3,
        silences: 0,
        last_error: expect.stringContaining("INTERNAL_ERROR"),
      },
    ]);
    expect(lines.filter(({ level }) => level === "error")).toHaveLength(1);
    await until(() => gaugeOf(events.metrics, "events_set_aside") === 1);
    expect(gaugeOf(events.metrics, "events_waiting")).toBe(0);
  });

  it("is set aside too when its hearer never comes to an end with it", async () => {
    await ground.listener();
    const vanishing = (outside: Outside): Outside => ({
      ...outside,
      call: (action, params, limitMs) =>
        (params as Said).payload.number === 2
          ? Promise.reject(Object.assign(new Error("gone"), { type: "REQUEST_REJECTED" }))
          : outside.call(action, params, limitMs),
    });
    const retries = { firstPauseMs: 10, maxPauseMs: 20, maxFailures: 3, maxSilences: 4 };
    const { say } = await ground.relay(vanishing, retries);
    await say("a", [1, 2, 3]);
    await ground.untilTold(20_000);
    expect(await ground.effects()).toEqual({ a: [1, 3] });
    expect(await ground.setAside()).toMatchObject([{ failures: 0, silences: 4 }]);
  });
});

describe("a hearer", () => {
  it("that is away gets its events when it is there, and none counts as failed", async () => {
    const { say } = await ground.relay();
    await say("a", [1, 2]);
    await say("b", [1]);
    // Whoever listens is told meanwhile.
    await until(async () => (await ground.outbox("*")).length === 0);
    await pause(1_500);
    expect(await ground.outbox()).toMatchObject(range(3).map(() => ({ failures: 0, silences: 0 })));
    await ground.listener();
    await ground.untilTold();
    expect(await ground.effects()).toEqual({ a: [1, 2], b: [1] });
    expect(await ground.setAside()).toEqual([]);
  });

  it("that lacks its database or its connections, or has too much to do, is tried again, without a failure", async () => {
    let refusals = 0;
    await ground.listener(async (query, event) => {
      refusals += 1;
      const reasons = ["OVERLOADED", "DATABASE_UNAVAILABLE", "POOL_EXHAUSTED"] as const;
      if (refusals <= 5) throw problem(reasons[refusals % 3] as (typeof reasons)[number]);
      await writeDown(query, event);
    });
    const { say } = await ground.relay();
    await say("a", [1, 2]);
    await ground.untilTold();
    expect(refusals).toBe(7);
    expect(await ground.effects()).toEqual({ a: [1, 2] });
    expect(await ground.setAside()).toEqual([]);
  });

  it("forgets what it handled long ago, and only that", async () => {
    await ground.database.query(
      `insert into listeners.inbox (event_id, hearer, handled_at)
       select gen_random_uuid(), 'listeners.heard', now() - days * interval '1 day' from unnest(array[0, 6, 8, 9]) days`,
    );
    const { events } = await ground.listener();
    const inbox = () => ground.database.query("select 1 from listeners.inbox");
    await events.begin({
      call: (() => Promise.reject(new Error())) as Outside["call"],
      emit: async () => {},
    });
    await until(async () => (await inbox()).length === 2);
  });
});

/** The present value of a gauge of the tellers. */
function gaugeOf({ metrics }: { readonly metrics: readonly object[] }, name: string): number | undefined {
  const gauges = metrics as {
    name: string;
    hashMap: Record<string, { value: number; labels: { service: string } }>;
  }[];
  const values = Object.values(gauges.find((each) => each.name === name)?.hashMap ?? {});
  return values.find(({ labels }) => labels.service === "tellers")?.value;
}
