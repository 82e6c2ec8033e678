import type { ChildProcess } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { pause } from "../database/pools.ts";
import { type EventGround, startEventGround } from "./ground.ts";

/** `npm run chaos` does it with more; this is the short form. */
const AGGREGATES = 100;
const EVENTS_PER_AGGREGATE = Number(process.env.TEST_EVENTS ?? 3_000) / AGGREGATES;
/** There are more when it takes longer. */
const KILLS = 5;

let ground: EventGround;

beforeAll(async () => {
  ground = await startEventGround();
});
afterEach(() => ground.reset());
afterAll(() => ground.stop());

describe("thousands of events under random kills of relays and hearers", () => {
  it("are all heard, each once, in order per aggregate, and none is set aside", async () => {
    const roles = ["teller", "teller", "listener", "listener"] as const;
    const replicas: ChildProcess[] = [];
    for (const role of roles) replicas.push(await ground.process(role));
    const { say } = await ground.teller();
    const aggregates = Array.from({ length: AGGREGATES }, (_, index) => `aggregate-${index}`);

    let isTold = false;
    let kills = 0;
    async function tell(): Promise<void> {
      for (let number = 1; number <= EVENTS_PER_AGGREGATE; number += 1) {
        // A machine that tells fast does not outrun the kills.
        while (kills < Math.floor((KILLS * (number - 1)) / EVENTS_PER_AGGREGATE)) await pause(10);
        await Promise.all(aggregates.map((aggregate) => say(aggregate, [number])));
      }
      isTold = true;
    }
    async function kill(): Promise<void> {
      while (!isTold || (await ground.outbox()).length > 0) {
        await pause(100 + 400 * Math.random());
        const victim = Math.floor(Math.random() * replicas.length);
        replicas[victim]?.kill("SIGKILL");
        kills += 1;
        replicas[victim] = await ground.process(roles[victim] as "teller" | "listener");
      }
    }
    await Promise.all([tell(), kill()]);

    const numbers = Array.from({ length: EVENTS_PER_AGGREGATE }, (_, index) => index + 1);
    expect(await ground.effects()).toEqual(Object.fromEntries(aggregates.map((each) => [each, numbers])));
    expect(await ground.setAside()).toEqual([]);
    expect(kills).toBeGreaterThanOrEqual(KILLS - 1);
  }, 600_000);
});
