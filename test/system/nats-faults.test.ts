import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { startNatsServer } from "../../scripts/development/nats-server.ts";
import { type System, startSystem } from "../support/system.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { failed, type Load, startLoad } from "./load.ts";

// The NATS server killed, frozen, or behind a network that has gone silent, while requests come in.

const binary = process.env.TEST_NATS_BINARY as string;
/** Beside the two seconds of each promise, for a machine that is busy with other tests. */
const ROOM_MS = 2_000;
const OUTAGE_MS = Number(process.env.TEST_OUTAGE_MS ?? 3_000);

let system: System;
let nats: Awaited<ReturnType<typeof startNatsServer>>;
let proxy: TcpProxy;
let tokens: readonly string[];
let load: Load | undefined;

beforeAll(async () => {
  nats = await startNatsServer({ binary });
  proxy = await startTcpProxy({ host: "127.0.0.1", port: Number(new URL(nats.url).port) });
  system = await startSystem({
    replicas: { portfolios: 2 },
    environment: { NATS_URL: `nats://127.0.0.1:${proxy.port}` },
  });
  tokens = await Promise.all(Array.from({ length: 4 }, () => system.issuer.token(`nats-${randomUUID()}`)));
}, 60_000);
afterEach(() => load?.stop());
afterAll(async () => {
  await system?.stop();
  await proxy.stop();
  await nats.stop();
});

const faults: readonly (readonly [string, () => void, () => Promise<void> | void])[] = [
  [
    "killed, and started again with nothing in it",
    () => process.kill(nats.pid, "SIGKILL"),
    async () => {
      await nats.exited;
      nats = await startNatsServer({ binary, port: Number(new URL(nats.url).port) });
    },
  ],
  ["frozen", () => process.kill(nats.pid, "SIGSTOP"), () => void process.kill(nats.pid, "SIGCONT")],
  [
    "silent",
    () => {
      proxy.swallow();
      proxy.swallowOld();
    },
    () => proxy.forward(),
  ],
];

describe("a NATS server that is", () => {
  it.each(faults)(
    "%s: not ready within 2 s, requests fail at once, and all is well within 2 s of its return",
    async (_, begin, end) => {
      const requests = startLoad({
        urls: () => [system.url],
        tokens,
        readsPerSecond: 100,
        writesPerSecond: 5,
      });
      load = requests;
      await delay(500);
      expect(requests.sent.filter(failed)).toEqual([]);
      const begunAt = performance.now();
      begin();
      const unreadyAt = await untilStatus("/ready", 503, 2_000 + ROOM_MS);
      const healthTimes = await timesOfHealth(begunAt + OUTAGE_MS);
      const endedAt = performance.now();
      await end();
      const returnedAt = performance.now();
      await untilStatus("/ready", 200, 2_000 + ROOM_MS);
      await delay(Math.max(0, returnedAt + 2_000 + ROOM_MS + 500 - performance.now()));
      const sent = await requests.stop();

      const meanwhile = sent.filter(({ sentAt, tookMs }) => sentAt > unreadyAt && sentAt + tookMs < endedAt);
      expect(meanwhile.length).toBeGreaterThan(50);
      expect(new Set(meanwhile.map(({ status }) => status))).toEqual(new Set([503]));
      // What /health takes, which asks nobody, is the machine's doing: it may be busy with other tests. A turn of the event
      // loop is all that is needed there; a request takes several.
      const times = meanwhile.map(({ tookMs }) => tookMs);
      expect(median(times)).toBeLessThan(100 + 4 * median(healthTimes));
      expect(sent.filter(({ tookMs }) => tookMs > 2_000 + ROOM_MS)).toEqual([]);
      expect(sent.filter((each) => failed(each) && each.sentAt > returnedAt + 2_000 + ROOM_MS)).toEqual([]);
    },
    40_000 + OUTAGE_MS,
  );
});

/** How long the gateway takes for what needs nobody else, until then. */
async function timesOfHealth(end: number): Promise<number[]> {
  const times: number[] = [];
  while (performance.now() < end) {
    const askedAt = performance.now();
    expect(await statusOf("/health")).toBe(200);
    times.push(performance.now() - askedAt);
    await delay(50);
  }
  return times;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

async function statusOf(path: string): Promise<number> {
  return (await fetch(system.url + path)).status;
}

/** @returns when it was so. */
async function untilStatus(path: string, status: number, limitMs: number): Promise<number> {
  const end = performance.now() + limitMs;
  while ((await statusOf(path)) !== status) {
    if (performance.now() > end) throw new Error(`${path} did not answer ${status} within ${limitMs} ms`);
    await delay(20);
  }
  return performance.now();
}
