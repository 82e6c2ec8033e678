import type { Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { ServiceBroker, ServiceSchema } from "moleculer";
import { type Nodes, natsNodes } from "./nodes.ts";

const heard: number[] = [];
const listening = {
  name: "listening",
  actions: {
    hear: ({ params }: { params: { number: number } }) => heard.push(params.number),
    give: ({ params }: { params: { characters: number } }) => "x".repeat(params.characters),
    take: ({ params }: { params: { text: string } }) => params.text.length,
    hang: () => new Promise((resolve) => setTimeout(resolve, 1_000)),
  },
} as unknown as ServiceSchema;

let nodes: Nodes;
let caller: ServiceBroker;

beforeAll(async () => {
  nodes = natsNodes();
  await nodes.start([listening]);
  caller = await nodes.start();
  await caller.waitForServices("listening", 10_000);
});
afterAll(() => nodes.stop());

/** Moleculer's and the NATS client's inner parts. */
interface Inner {
  readonly transit: {
    readonly pendingRequests: ReadonlyMap<string, unknown>;
    readonly tx: {
      readonly client: { readonly protocol: { readonly transport: { readonly socket: Socket } } };
    };
  };
  readonly _trackedContexts: readonly unknown[];
}

function innerOf(broker: ServiceBroker): Inner {
  return broker as unknown as Inner;
}

/** Counts the writes to a node's socket during some work. */
async function writesDuring(broker: ServiceBroker, work: () => Promise<unknown>): Promise<number> {
  const { socket } = innerOf(broker).transit.tx.client.protocol.transport;
  const write = socket.write;
  let writes = 0;
  socket.write = function (this: Socket, ...chunk: unknown[]) {
    writes += 1;
    return write.apply(this, chunk as never);
  } as typeof socket.write;
  try {
    await work();
  } finally {
    socket.write = write;
  }
  return writes;
}

describe("packets of one turn of the event loop", () => {
  it("share a write, however many they are", async () => {
    const call = (number: number) => caller.call("listening.hear", { number });
    const writes = await writesDuring(caller, () =>
      Promise.all(Array.from({ length: 200 }, (_, n) => call(n))),
    );
    // A heartbeat may come between.
    expect(writes).toBeLessThanOrEqual(5);
  });

  it("are sent in the order in which they were made, and so are those of different turns", async () => {
    heard.length = 0;
    const calls: Promise<unknown>[] = [];
    for (let number = 0; number < 300; number += 1) {
      calls.push(caller.call("listening.hear", { number }));
      if (number % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (number % 50 === 0) await Promise.resolve();
    }
    await Promise.all(calls);
    expect(heard).toEqual(Array.from({ length: 300 }, (_, number) => number));
  });
});

describe("a packet that is too large", () => {
  const tooLarge = 2 * 1024 * 1024;

  it.each([
    ["request", "listening.take", { text: "x".repeat(tooLarge) }],
    ["reply", "listening.give", { characters: tooLarge }],
  ])("as a %s fails its own call, at once, and no other", async (_, action, params) => {
    const startedAt = performance.now();
    const outcomes = await Promise.allSettled([
      caller.call("listening.give", { characters: 1 }),
      caller.call(action, params),
      caller.call("listening.give", { characters: 500_000 }),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    // The time limit of calls is 40 s.
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(innerOf(caller).transit.pendingRequests.size).toBe(0);
  });
});

describe("a call that has timed out", () => {
  it("is over: nothing is kept of it, and nobody who stops waits for it", async () => {
    const calls = Array.from({ length: 20 }, () => caller.call("listening.hang", {}, { timeout: 50 }));
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.every(({ status }) => status === "rejected")).toBe(true);
    await new Promise((resolve) => setImmediate(resolve));
    expect(innerOf(caller).transit.pendingRequests.size).toBe(0);
    expect(innerOf(caller)._trackedContexts).toHaveLength(0);
  });
});
