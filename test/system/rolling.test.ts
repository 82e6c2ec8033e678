import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { freePort } from "../../scripts/development/processes.ts";
import { type Replica, type System, startSystem } from "../support/system.ts";
import { explained, failed, type Load, READS_PER_SECOND, startLoad, told } from "./load.ts";

// New replicas of every service are started, and the old ones told to stop, one after another, while requests come in.

const ROUNDS = Number(process.env.TEST_ROLLING_ROUNDS ?? 1);
/** So many requests show that there was a load, however slow the machine. */
const ENOUGH = 100;
const SERVICES = ["portfolios", "users", "auth", "accounts", "market"];

let system: System;
let tokens: readonly string[];
let running: Load | undefined;

beforeAll(async () => {
  system = await startSystem({
    environment: { PRINCIPAL_CACHE_SECS: "0" },
  });
  tokens = await Promise.all(Array.from({ length: 4 }, () => system.issuer.token(`rolling-${randomUUID()}`)));
}, 60_000);
afterEach(() => running?.stop());
afterAll(() => system?.stop());

function load(urls: () => readonly string[]): Load {
  running = startLoad({ urls, tokens, readsPerSecond: READS_PER_SECOND / 2, writesPerSecond: 20 });
  return running;
}

/** The one of a service that has run for the longest. */
function eldest(service: string): Replica {
  const found = system.replicas.find(
    (each) => each.service === service && each.process.exitCode === null && each.process.signalCode === null,
  );
  return found as Replica;
}

/** What a stop logs, in this order. */
const STEPS = [
  "not ready any more",
  "telling clients to close",
  "taking no more requests",
  "left the broker",
  "pools closed, exit 0",
];

async function stopInOrder(replica: Replica): Promise<void> {
  expect([await replica.stop(), replica.output().slice(-2_000)]).toEqual([0, expect.any(String)]);
  const positions = STEPS.map((step) => replica.output().indexOf(step));
  expect(positions).toEqual([...positions].sort((a, b) => a - b));
  expect(positions[0]).toBeGreaterThan(0);
}

describe("a rolling restart", () => {
  it(
    "of every service fails no request",
    async () => {
      const requests = load(() => [system.url]);
      const startedAt = performance.now();
      for (let round = 0; round < ROUNDS; round += 1) {
        const old = SERVICES.map(eldest);
        for (const service of SERVICES) await system.start(service);
        for (const replica of old) await stopInOrder(replica);
      }
      const sent = await requests.stop();
      expect(explained(told(sent.filter(failed), startedAt), system.replicas)).toEqual([]);
      expect(sent.length).toBeGreaterThan(ENOUGH);
    },
    60_000 + ROUNDS * 30_000,
  );

  it(
    "of the gateways, behind a balancer that asks who is ready, fails no request",
    async () => {
      const gateways = [await startGateway(), await startGateway()];
      const balancer = startBalancer(gateways);
      await balancer.until(2);
      const requests = load(balancer.urls);
      const startedAt = performance.now();
      for (let round = 0; round < ROUNDS; round += 1) {
        gateways.push(await startGateway());
        await balancer.until(3);
        const [old] = gateways as [Gateway];
        await stopInOrder(old.replica);
        gateways.shift();
      }
      const sent = await requests.stop();
      await balancer.stop();
      expect(explained(told(sent.filter(failed), startedAt), system.replicas)).toEqual([]);
      expect(sent.length).toBeGreaterThan(ENOUGH);
    },
    60_000 + ROUNDS * 15_000,
  );
});

interface Gateway {
  readonly url: string;
  readonly replica: Replica;
}

async function startGateway(): Promise<Gateway> {
  const port = await freePort();
  const replica = await system.start("gateway", { SERVER_PORT: String(port), SHUTDOWN_PAUSE_SECS: "1" });
  return { url: `http://127.0.0.1:${port}`, replica };
}

/** Knows which of the gateways are ready, from asking each ten times a second. */
function startBalancer(gateways: readonly Gateway[]) {
  let ready: readonly string[] = [];
  let isStopped = false;

  async function look(): Promise<void> {
    while (!isStopped) {
      const asked = gateways.map(async ({ url }) => {
        const status = await fetch(`${url}/ready`).then(
          (reply) => reply.status,
          () => 0,
        );
        return status === 200 ? [url] : [];
      });
      ready = (await Promise.all(asked)).flat();
      await delay(100);
    }
  }
  const looking = look();

  return {
    urls: () => ready,
    async until(count: number) {
      while (ready.length < count) await delay(20);
    },
    async stop() {
      isStopped = true;
      await looking;
    },
  };
}
