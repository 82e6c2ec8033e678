import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Errors, type ServiceBroker, type ServiceSchema } from "moleculer";
import type { NatsConnection, Subscription } from "nats";
import { Registry } from "prom-client";
import { requestsRefused } from "../../../services/common/liveness/metrics.ts";
import { partsOf, type Transporter } from "../../../services/common/liveness/parts.ts";
import { problemOf } from "../../../services/common/problem.ts";
import { takeNoMoreRequests } from "../../../services/common/transport.ts";
import { type Nodes, natsNodes } from "../nodes.ts";

// Calls between nodes that are set up as those of real processes are, over the test run's NATS server.

let nodes: Nodes;
afterEach(async () => {
  over.resolve("over");
  over = Promise.withResolvers();
  await nodes?.stop();
});

/** What each node was asked to do. */
const done = new Map<string, string[]>();

function acting(node: string): ServiceSchema {
  const acts: string[] = [];
  done.set(node, acts);
  const note = (act: string) => {
    acts.push(act);
    return node;
  };
  return {
    name: "acting",
    actions: {
      read: { repeatable: true, handler: () => note("read") },
      write: () => note("write"),
      hangRead: { repeatable: true, handler: () => hang(note("hangRead")) },
      hangWrite: () => hang(note("hangWrite")),
      takeLong: ({ params }: { params: { ms: number } }) => delay(params.ms, note("takeLong")),
    },
  } as unknown as ServiceSchema;
}

/** This one answers what may hang only when the test is over. */
const HANGING = "one";
let over = Promise.withResolvers<string>();
async function hang(node: string): Promise<string> {
  return node === HANGING ? over.promise : node;
}

async function start(): Promise<{
  caller: ServiceBroker;
  replicas: readonly [ServiceBroker, ServiceBroker];
}> {
  nodes = natsNodes();
  const replicas = [await nodes.start([acting("one")]), await nodes.start([acting("two")])] as const;
  const caller = await nodes.start();
  while (endpointsOf(caller).length < 2) await delay(20);
  return { caller, replicas };
}

function endpointsOf(broker: ServiceBroker): readonly unknown[] {
  const list = broker.registry.actions.get("acting.read") as { endpoints: readonly unknown[] } | undefined;
  return list?.endpoints ?? [];
}

function clientOf(broker: ServiceBroker): NatsConnection {
  return (broker.transit as unknown as { tx: { client: NatsConnection } }).tx.client;
}

/** As the server sees a process that was killed: its subscriptions are gone, and nobody has said goodbye. */
async function die(broker: ServiceBroker): Promise<void> {
  const client = clientOf(broker);
  const { subscriptions } = (client as unknown as { protocol: { subscriptions: { all(): Subscription[] } } })
    .protocol;
  for (const subscription of subscriptions.all()) subscription.unsubscribe();
  await client.flush();
}

/** As the server sees a connection that has gone silent: it goes on sending there, and nothing arrives. */
async function swallowRequests(broker: ServiceBroker): Promise<() => Promise<void>> {
  const { tx } = broker.transit as unknown as { tx: Transporter };
  const client = clientOf(broker);
  const subject = `${tx.prefix}.REQ.${broker.nodeID}`;
  for (const subscription of partsOf(client).protocol.subscriptions.all())
    if (subscription.getSubject() === subject) subscription.unsubscribe();
  const ghost = client.subscribe(subject, { callback: () => undefined });
  await client.flush();
  return async () => {
    ghost.unsubscribe();
    await tx.subscribe("REQ", broker.nodeID);
    await client.flush();
  };
}

function actsOf(...acts: string[]): number {
  return [...done.values()].flat().filter((act) => acts.includes(act)).length;
}

function refusals(): number {
  const registry = new Registry();
  registry.registerMetric(requestsRefused);
  return Number(/^broker_requests_refused_total (\d+)/m.exec(registry.metrics())?.[1]);
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "none",
    (error: unknown) => problemOf(error).code,
  );
}

describe("a request that NATS delivers twice", () => {
  it("is executed once", async () => {
    const { caller, replicas } = await start();
    const client = clientOf(caller);
    const publish = client.publish.bind(client);
    client.publish = (subject, data, options) => {
      publish(subject, data, options);
      if (subject.includes(".REQ.")) publish(subject, data, options);
    };
    for (let count = 0; count < 10; count += 1) await caller.call("acting.write");
    for (const replica of replicas) await clientOf(replica).flush();
    expect(["one", "two"].flatMap((node) => done.get(node) ?? [])).toEqual(Array(10).fill("write"));
  });
});

describe("a call of a replica that is dead", () => {
  it("is executed by another one, once, also when it writes; and the dead one is called no more", async () => {
    const { caller, replicas } = await start();
    await die(replicas[0]);
    const startedAt = performance.now();
    const answers = await Promise.all(Array.from({ length: 10 }, () => caller.call("acting.write")));
    // Silence would be noticed after 2 s only.
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    expect(new Set(answers)).toEqual(new Set(["two"]));
    expect(actsOf("write")).toBe(10);
    expect(endpointsOf(caller)).toHaveLength(1);
  });

  it("that was in flight there is repeated if it reads, and fails if it writes", async () => {
    const { caller, replicas } = await start();
    const there = { nodeID: replicas[0].nodeID };
    const reading = caller.call("acting.hangRead", {}, there);
    const writing = codeOf(caller.call("acting.hangWrite", {}, there));
    while (actsOf("hangRead", "hangWrite") < 2) await delay(5);
    await die(replicas[0]);
    await expect(caller.call("acting.write", {}, there)).resolves.toBe("two");
    await expect(reading).resolves.toBe("two");
    await expect(writing).resolves.toBe("SERVICE_UNAVAILABLE");
    expect(actsOf("hangWrite")).toBe(1);
  });
});

describe("a call that is lost on its way to a replica that is there", () => {
  it("is repeated if it reads, and fails if it writes, within seconds; what the replica works on goes on", async () => {
    const { caller, replicas } = await start();
    const there = { nodeID: replicas[0].nodeID };
    const working = caller.call("acting.takeLong", { ms: 3_500 }, there);
    while (actsOf("takeLong") < 1) await delay(5);
    const goOn = await swallowRequests(replicas[0]);
    const startedAt = performance.now();
    const reading = caller.call("acting.read", {}, there);
    const writing = codeOf(caller.call("acting.write", {}, there));
    await delay(50);
    await goOn();
    await expect(reading).resolves.toBe("two");
    await expect(writing).resolves.toBe("SERVICE_UNAVAILABLE");
    // Half a second to a whole one, and room for a busy machine; the time limit of calls is 40 s.
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect(actsOf("write")).toBe(0);
    await expect(working).resolves.toBe("one");
    await expect(caller.call("acting.write", {}, there)).resolves.toBe("one");
  });
});

describe("a call that waited while its replica stood still", () => {
  it("is not executed then, but when it is sent again", async () => {
    const { caller } = await start();
    const before = refusals();
    const calling = caller.call("acting.write");
    // It is written in the next turn, and read after the one in which the whole process stands still.
    await new Promise((resolve) => setImmediate(resolve));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_800);
    await expect(calling).resolves.toMatch(/^(one|two)$/);
    expect(refusals()).toBeGreaterThan(before);
    expect(actsOf("write")).toBe(1);
  });
});

describe("a replica that takes no more requests", () => {
  it("finishes those that it has, and no call fails", async () => {
    const { caller, replicas } = await start();
    const long = [1, 2].map(() => caller.call("acting.takeLong", { ms: 600 }));
    while (actsOf("takeLong") < 2) await delay(5);
    let isOver = false;
    const calling = (async () => {
      let calls = 0;
      for (; !isOver; calls += 1) await caller.call("acting.write");
      return calls;
    })();
    await takeNoMoreRequests(replicas[0]);
    const before = done.get("one")?.length;
    await delay(100);
    isOver = true;
    const calls = await calling;
    expect(actsOf("write")).toBe(calls);
    expect(done.get("one")).toHaveLength(before ?? 0);
    expect(new Set(await Promise.all(long))).toEqual(new Set(["one", "two"]));
  });
});

describe("calls of an action that times out on one replica", () => {
  it("go to the other one only, until it answers again", async () => {
    const { caller, replicas } = await start();
    expect(replicas).toHaveLength(2);
    const slow = () => caller.call("acting.takeLong", { ms: 5_000 }, { timeout: 500 });
    const outcomes = await Promise.allSettled(Array.from({ length: 30 }, slow));
    expect(outcomes.every(({ status }) => status === "rejected")).toBe(true);
    const refused = await caller.call("acting.takeLong", { ms: 1 }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Errors.ServiceNotAvailableError);
    // Other actions of the same replicas are not concerned.
    await expect(caller.call("acting.read")).resolves.toMatch(/^(one|two)$/);
    await delay(2_100);
    await expect(caller.call("acting.takeLong", { ms: 1 })).resolves.toMatch(/^(one|two)$/);
    await expect(caller.call("acting.takeLong", { ms: 1 })).resolves.toMatch(/^(one|two)$/);
    await expect(caller.call("acting.takeLong", { ms: 1 })).resolves.toMatch(/^(one|two)$/);
  });
});
