import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { ServiceBroker, ServiceSchema } from "moleculer";
import { type NatsServer, startNatsServer } from "../../scripts/development/nats-server.ts";
import { natsUnreadiness } from "../../services/common/nats.ts";
import { problemOf } from "../../services/common/problem.ts";
import { type Nodes, natsNodes } from "./nodes.ts";

const binary = process.env.TEST_NATS_BINARY as string;
const hung = Promise.withResolvers<void>();
const acting = (name: string) =>
  ({
    name,
    actions: {
      act: () => "done",
      hang: () => hung.promise,
    },
  }) as unknown as ServiceSchema;

let server: NatsServer;
let nodes: Nodes;
let near: ServiceBroker;
let far: ServiceBroker;

beforeAll(async () => {
  server = await startNatsServer({ binary });
  nodes = natsNodes(server.url);
  far = await nodes.start([acting("far")]);
  near = await nodes.start([acting("near")]);
  await near.waitForServices("far", 10_000);
});
afterAll(async () => {
  await nodes.stop();
  await server.stop();
});

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "none",
    (error: unknown) => problemOf(error).code,
  );
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`It was not so within 10 s: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// One story, in this order: the server is killed, and started again on the same port.
describe("a NATS server that is killed", () => {
  it("is seen by everyone while it is there", async () => {
    await expect(near.call("far.act")).resolves.toBe("done");
    expect(natsUnreadiness(near)).toBeUndefined();
    expect(natsUnreadiness(far)).toBeUndefined();
  });

  it("ends calls in flight at once, as a part of the system that cannot be reached", async () => {
    const inFlight = Promise.all(Array.from({ length: 10 }, () => codeOf(near.call("far.hang"))));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const startedAt = performance.now();
    process.kill(server.pid, "SIGKILL");
    await expect(inFlight).resolves.toEqual(Array.from({ length: 10 }, () => "SERVICE_UNAVAILABLE"));
    // The time limit of calls is 40 s.
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await server.exited;
    hung.resolve();
  });

  it("makes new calls fail at once, but not those of services in the same process", async () => {
    const startedAt = performance.now();
    for (let round = 0; round < 20; round += 1) {
      expect(await codeOf(near.call("far.act"))).toBe("SERVICE_UNAVAILABLE");
    }
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    await expect(near.call("near.act")).resolves.toBe("done");
  });

  it("makes the process not ready, and it says why", async () => {
    for (const node of [near, far]) {
      await until(async () => natsUnreadiness(node) === "NATS is not connected");
    }
  });

  it("is found again when it is back, without a new process", async () => {
    const port = Number(new URL(server.url).port);
    server = await startNatsServer({ binary, port });
    await until(async () => natsUnreadiness(near) === undefined && natsUnreadiness(far) === undefined);
    await until(async () => (await codeOf(near.call("far.act"))) === "none");
    await until(async () => (await codeOf(far.call("near.act"))) === "none");
  });
});

describe("natsUnreadiness", () => {
  it("has nothing to say of a process without NATS", () => {
    expect(natsUnreadiness({ transit: undefined } as unknown as ServiceBroker)).toBeUndefined();
  });
});

describe("a NATS server that is frozen", () => {
  it("ends calls in flight and makes the process not ready within seconds; when it goes on, all goes on", async () => {
    const startedAt = performance.now();
    process.kill(server.pid, "SIGSTOP");
    try {
      expect(await codeOf(near.call("far.act"))).toBe("SERVICE_UNAVAILABLE");
      // 1.3 s, and room for a busy machine; the time limit of calls is 40 s.
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      expect(natsUnreadiness(near)).toBe("NATS is not connected");
      const refusedAt = performance.now();
      expect(await codeOf(near.call("far.act"))).toBe("SERVICE_UNAVAILABLE");
      expect(performance.now() - refusedAt).toBeLessThan(500);
    } finally {
      process.kill(server.pid, "SIGCONT");
    }
    await until(async () => natsUnreadiness(near) === undefined && natsUnreadiness(far) === undefined);
    await until(async () => (await codeOf(near.call("far.act"))) === "none");
  });
});
