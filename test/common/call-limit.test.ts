import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { ServiceBroker } from "moleculer";
import { z } from "zod";
import { callLimit, TOO_MANY_CALLS } from "../../services/common/call-limit.ts";
import { contract } from "../../services/common/contract.ts";
import { implement } from "../../services/common/implement.ts";
import { problemOf } from "../../services/common/problem.ts";
import { type Nodes, natsNodes } from "./nodes.ts";

const busy = contract("busy", {
  act: {
    summary: "Wait.",
    scope: "internal",
    params: z.strictObject({}),
    result: z.strictObject({ node: z.string() }),
  },
});

let nodes: Nodes;
let caller: ServiceBroker;
const waiting: (() => void)[] = [];
const begun: string[] = [];

/** Its calls end when they are told to. */
function busyOn(node: string) {
  return implement({
    contract: busy,
    maxCalls: 2 - RESERVE,
    handlers: {
      async act() {
        begun.push(node);
        await new Promise<void>((resolve) => waiting.push(resolve));
        return { node };
      },
    },
  });
}

/** Internal calls have a reserve, and these are such. */
const RESERVE = 500;

function release(): void {
  for (const resolve of waiting.splice(0)) resolve();
}

async function until(condition: () => boolean): Promise<void> {
  for (let look = 0; look < 500 && !condition(); look += 1) await new Promise((done) => setTimeout(done, 10));
  expect(condition()).toBe(true);
}

beforeAll(async () => {
  nodes = natsNodes();
  caller = await nodes.start();
  await nodes.start([busyOn("a")]);
});
afterAll(async () => {
  release();
  await nodes.stop();
});

describe("a service with as many calls under way as it may have", () => {
  it("refuses the next one as OVERLOADED, and has begun nothing of it", async () => {
    const calls = [1, 2].map(() => caller.call("busy.act"));
    await until(() => begun.length === 2);
    const refusal = await caller.call("busy.act").catch((error: unknown) => error);
    expect(problemOf(refusal).code).toBe("OVERLOADED");
    expect((refusal as { type: string }).type).toBe(TOO_MANY_CALLS);
    expect(begun).toEqual(["a", "a"]);
    release();
    expect(await Promise.all(calls)).toEqual([{ node: "a" }, { node: "a" }]);
    const next = caller.call("busy.act");
    await until(() => waiting.length === 1);
    release();
    await expect(next).resolves.toEqual({ node: "a" });
  });

  it("leaves it to another replica that has room", async () => {
    const calls = [1, 2].map(() => caller.call("busy.act", {}, { nodeID: "node-1" }));
    await until(() => waiting.length === 2);
    await nodes.start([busyOn("b")]);
    begun.length = 0;
    // In turn, one of two is sent to the replica that is full.
    calls.push(...[1, 2].map(() => caller.call("busy.act")));
    await until(() => waiting.length === 4);
    expect(begun).toEqual(["b", "b"]);
    release();
    expect(await Promise.all(calls)).toEqual(["a", "a", "b", "b"].map((node) => ({ node })));
  });
});

describe("the limit of calls", () => {
  it("keeps a reserve for calls that are part of something begun already", () => {
    const limit = callLimit(2, 1);
    expect([limit.enter(false), limit.enter(false), limit.enter(false)]).toEqual([true, true, false]);
    expect([limit.enter(true), limit.enter(true)]).toEqual([true, false]);
    limit.left();
    expect(limit.enter(false)).toBe(false);
    limit.left();
    expect(limit.enter(false)).toBe(true);
  });
});
