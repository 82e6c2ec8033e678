import { afterEach, describe, expect, it } from "@jest/globals";
import { ServiceBroker } from "moleculer";
import { processUnreadiness, untilReady } from "../../services/common/readiness.ts";
import type { OpenService } from "../../services/common/service.ts";

const brokers: ServiceBroker[] = [];
afterEach(() => Promise.all(brokers.splice(0).map((broker) => broker.stop())));

async function startBroker(): Promise<ServiceBroker> {
  const broker = new ServiceBroker({ logger: false, skipProcessEventRegistration: true });
  brokers.push(broker);
  await broker.start();
  return broker;
}

const schema = { name: "own" };

describe("processUnreadiness", () => {
  it("says starting, then nothing, then stopping", async () => {
    const state = { started: false, stopping: false };
    const unreadiness = processUnreadiness(await startBroker(), [{ schema }], state);
    await expect(unreadiness()).resolves.toBe("starting");
    state.started = true;
    await expect(unreadiness()).resolves.toBeUndefined();
    state.stopping = true;
    await expect(unreadiness()).resolves.toBe("stopping");
  });

  it("says what any of its services says", async () => {
    const opened: OpenService[] = [
      { schema },
      { schema, unreadiness: async () => "migrations are missing: all" },
    ];
    const unreadiness = processUnreadiness(await startBroker(), opened, { started: true, stopping: false });
    await expect(unreadiness()).resolves.toBe("migrations are missing: all");
  });

  it("waits for every service that they use to be seen once, and for none that goes away later", async () => {
    const broker = await startBroker();
    const opened: OpenService[] = [{ schema, uses: ["users", "auth"] }];
    const unreadiness = processUnreadiness(broker, opened, { started: true, stopping: false });
    await expect(unreadiness()).resolves.toBe("no replica yet of users, auth");
    const users = broker.createService({ name: "users" });
    await broker.waitForServices("users");
    await expect(unreadiness()).resolves.toBe("no replica yet of auth");
    broker.createService({ name: "auth" });
    await broker.waitForServices("auth");
    await expect(unreadiness()).resolves.toBeUndefined();
    await broker.destroyService(users);
    await expect(unreadiness()).resolves.toBeUndefined();
  });
});

describe("untilReady", () => {
  it("ends when the process can serve, and says each reason once", async () => {
    const reasons = ["starting", "starting", "NATS is not connected", "NATS is not connected", "starting"];
    const lines: unknown[] = [];
    const log = { info: (line: unknown) => lines.push(line), warn: () => undefined, error: () => undefined };
    await untilReady(async () => reasons.shift(), log);
    expect(reasons).toEqual([]);
    expect(lines).toEqual(
      ["starting", "NATS is not connected", "starting"].map((reason) => `Not ready yet: ${reason}`),
    );
  });
});
