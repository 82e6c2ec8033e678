import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import {
  INTERVAL_MS,
  type LoadPhase,
  type OpenLoadPlan,
  runOpenLoad,
  summed,
} from "../../chaos/load/open-load.ts";
import { type System, startSystem } from "../support/system.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";

/** Each way between portfolios and its database: so its few connections bound what fits, not this machine. */
const DATABASE_DELAY_MS = 20;
const CONNECTIONS = 500;
const PROBE_INTERVAL_MS = 100;
/** Of what was found to fit, and the same in a second look a moment later, which differs by so much. */
const KEPT_SHARE = 0.9;

let system: System;
let proxy: TcpProxy;
let tokens: string[];

beforeAll(async () => {
  system = await startSystem();
  const database = new URL(system.database.url);
  proxy = await startTcpProxy({ host: database.hostname, port: Number(database.port) });
  database.hostname = "127.0.0.1";
  database.port = String(proxy.port);
  const [quick] = system.replicas.filter(({ service }) => service === "portfolios");
  await system.start("portfolios", { DATABASE_URL: database.href, DB_MAX_CONNECTIONS: "4" });
  await quick?.stop();
  const users = Array.from({ length: 40 }, (_, number) => `user-${number}`);
  tokens = await Promise.all(users.map((user) => system.issuer.token(user)));
  // Each is seen for the first time before it counts.
  for (const user of [...users, "modest", "other"])
    expect((await system.request(user, "GET", "/v1/portfolios")).status).toBe(200);
  proxy.delay(DATABASE_DELAY_MS);
}, 90_000);
afterAll(async () => {
  await system.stop();
  await proxy.stop();
});

function load(phases: readonly LoadPhase[], own: Partial<OpenLoadPlan> = {}) {
  return runOpenLoad({
    urls: [system.url],
    method: "POST",
    path: "/v1/portfolios",
    body: '{"name":"One of many"}',
    tokens,
    connections: CONNECTIONS,
    patienceMs: 20_000,
    phases,
    ...own,
  });
}

/** Asks for these addresses again and again, until it is told to stop; answers what went wrong, and the times. */
function probing(requests: Readonly<Record<string, () => Promise<Response>>>) {
  const wrong: string[] = [];
  const tookMs: number[] = [];
  let isOver = false;
  const loops = Object.entries(requests).map(async ([name, send]) => {
    while (!isOver) {
      const sentAt = performance.now();
      const reply = await send();
      if (reply.status !== 200) wrong.push(`${name}: ${reply.status} ${await reply.text()}`);
      else await reply.arrayBuffer();
      tookMs.push(performance.now() - sentAt);
      await delay(PROBE_INTERVAL_MS);
    }
  });
  return async () => {
    isOver = true;
    await Promise.all(loops);
    return { wrong, tookMs: tookMs.sort((a, b) => a - b) };
  };
}

describe("ten times the load that fits", () => {
  it("is refused but for what fits: at once, with Retry-After; others are answered throughout, and it is over within a second", async () => {
    const looking = 4;
    const most = await load([{ perSecond: 300, seconds: looking }]);
    const fits = summed(most.intervals.slice(0, (looking * 1000) / INTERVAL_MS)).goodput;
    await delay(2_000);

    const gateway = system.replicas.find(({ service }) => service === "gateway");
    const probes = probing({
      accounts: () => system.request("modest", "GET", "/v1/accounts"),
      health: () => fetch(`${system.url}/health`),
      metrics: () => fetch(`${gateway?.metricsUrl}/metrics`),
    });
    const seconds = 6;
    const { intervals } = await load([
      { perSecond: fits * 10, seconds },
      { perSecond: fits / 2, seconds: 3 },
    ]);
    const { wrong, tookMs } = await probes();
    const over = summed(intervals.slice(0, (seconds * 1000) / INTERVAL_MS));
    const afterwards = summed(intervals.slice(((seconds + 1) * 1000) / INTERVAL_MS));
    const at = (share: number) => Math.round(tookMs[Math.floor((tookMs.length - 1) * share)] ?? 0);

    expect([over.other, over.unanswered]).toEqual([0, 0]);
    expect(over.refusedWithRetryAfter).toBe(over.refused);
    expect(over.refused).toBeGreaterThan(over.sent / 2);
    expect(over.goodput).toBeGreaterThan(fits * KEPT_SHARE);
    expect(over.refusedMs.p50).toBeLessThan(100);
    expect(wrong).toEqual([]);
    expect(at(0.5)).toBeLessThan(100);
    // Nobody is refused any more.
    expect([afterwards.refused, afterwards.other, afterwards.unanswered]).toEqual([0, 0, 0]);
    expect(afterwards.succeeded).toBe(afterwards.sent);
  }, 90_000);
});

describe("a caller who asks for many times what fits", () => {
  it("takes next to nothing from another one on the same route", async () => {
    await delay(3_000);
    const [greedy, modest] = await Promise.all([
      load([{ perSecond: 600, seconds: 6 }], { tokens: [await system.issuer.token("greedy")] }),
      load([{ perSecond: 5, seconds: 6 }], {
        tokens: [await system.issuer.token("modest")],
        connections: 50,
      }),
    ]);
    const refused = summed(greedy.intervals);
    const served = summed(modest.intervals);
    expect(refused.refused).toBeGreaterThan(refused.sent / 2);
    // While the greedy one is being cut back, what it has begun is still ahead of others in the database's queue.
    expect(served.succeeded).toBeGreaterThanOrEqual(served.sent * 0.9);
  }, 60_000);
});
