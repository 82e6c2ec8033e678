import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { type Replica, type System, startSystem } from "../support/system.ts";
import { explained, failed, type Load, READS_PER_SECOND, type Sent, startLoad, told } from "./load.ts";

// Replicas that die or freeze without a word, while requests come in.

let system: System;
let tokens: readonly string[];
let running: Load | undefined;

beforeAll(async () => {
  system = await startSystem({
    replicas: { portfolios: 2, auth: 2, users: 2 },
    // Each request asks auth, which asks users.
    environment: { PRINCIPAL_CACHE_SECS: "0" },
  });
  tokens = await Promise.all(
    Array.from({ length: 4 }, () => system.issuer.token(`replicas-${randomUUID()}`)),
  );
}, 60_000);
afterEach(() => running?.stop());
afterAll(() => system?.stop());

function load(): Load {
  running = startLoad({
    urls: () => [system.url],
    tokens,
    readsPerSecond: READS_PER_SECOND,
    writesPerSecond: 20,
  });
  return running;
}

/** One that is still running. */
function replicaOf(service: string): Replica {
  const found = system.replicas.find(
    (candidate) => candidate.service === service && candidate.process.signalCode === null,
  );
  return found as Replica;
}

/** Those that failed although they were sent so long after something happened. */
function failedLater(sent: readonly Sent[], happenedAt: number, laterMs: number): string[] {
  const failures = sent.filter((each) => failed(each) && each.sentAt > happenedAt + laterMs);
  return explained(told(failures, happenedAt), system.replicas);
}

function countOf(sent: readonly Sent[], kind: Sent["kind"]): number {
  return sent.filter((each) => each.kind === kind).length;
}

describe("a replica that is killed", () => {
  it.each(["portfolios", "auth"])(
    "(%s) fails no GET, and no write that is sent more than a second later",
    async (service) => {
      const requests = load();
      await delay(1_000);
      const victim = replicaOf(service);
      const killedAt = performance.now();
      victim.process.kill("SIGKILL");
      await once(victim.process, "exit");
      await delay(2_500);
      const sent = await requests.stop();
      expect(countOf(sent, "read")).toBeGreaterThan(100);
      expect(
        told(
          sent.filter((each) => failed(each) && each.kind === "read"),
          killedAt,
        ),
      ).toEqual([]);
      expect(failedLater(sent, killedAt, 1_000)).toEqual([]);
      await system.start(service);
    },
    40_000,
  );
});

describe("a replica that is frozen", () => {
  it("fails no request that is sent more than 3 s later, does nothing stale when it goes on, and serves again", async () => {
    const requests = load();
    await delay(1_000);
    const victim = replicaOf("portfolios");
    const frozenAt = performance.now();
    victim.process.kill("SIGSTOP");
    await delay(4_500);
    const before = await namesOfFailed(requests.sent);
    victim.process.kill("SIGCONT");
    await delay(1_000);
    const served = await servedBy(victim);
    await delay(1_000);
    expect(await servedBy(victim)).toBeGreaterThan(served);
    const sent = await requests.stop();
    expect(failedLater(sent, frozenAt, 3_000)).toEqual([]);
    expect(victim.output()).toContain("stood still");
    // What was sent to it and given up was not done afterwards; and there was some.
    expect(sent.filter((each) => each.kind === "write" && failed(each)).length).toBeGreaterThan(0);
    expect(await refusedBy(victim)).toBeGreaterThan(0);
    expect(await namesOfFailed(sent)).toEqual(before);
  }, 40_000);

  it("writes nothing that its callers were told had failed: neither what waited in its socket, nor the rest of a transaction", async () => {
    const subject = `frozen-${randomUUID()}`;
    expect((await write(subject, { name: "Before" })).status).toBe(201);
    const release = await system.database.lock("portfolios.portfolios");
    // One more statement and the commit are to come after the one that waits for the lock.
    const begun = write(subject, { name: "Begun", is_default: true });
    while ((await waitingForLock()) === 0) await delay(10);
    const all = system.replicas.filter(({ service, process: { exitCode, signalCode } }) =>
      service === "portfolios" ? exitCode === null && signalCode === null : false,
    );
    for (const { process } of all) process.kill("SIGSTOP");
    await release();
    const waiting = ["First", "Second", "Third"].map((name) => write(subject, { name }));
    const statuses = (await Promise.all([begun, ...waiting])).map(({ status }) => status);
    for (const { process } of all) process.kill("SIGCONT");
    expect(statuses).toEqual([503, 503, 503, 503]);
    while ((await write(subject, { name: "After" })).status !== 201) await delay(50);
    await delay(500);
    const reply = await system.request(subject, "GET", "/v1/portfolios");
    const names = ((await reply.json()) as { name: string }[]).map(({ name }) => name);
    expect(names.sort()).toEqual(["After", "Before"]);
  }, 40_000);
});

function write(subject: string, body: object): Promise<Response> {
  return system.request(subject, "POST", "/v1/portfolios", body);
}

async function waitingForLock(): Promise<number> {
  const [row] = await system.database.query<{ count: number }>(
    "select count(*)::int from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
  );
  return row?.count ?? 0;
}

/** Of the writes that failed, those that are in the database all the same. */
async function namesOfFailed(sent: readonly Sent[]): Promise<string[]> {
  const names = sent.filter((each) => each.kind === "write" && failed(each)).map(({ name }) => name);
  const rows = await system.database.query<{ name: string }>(
    `select name from portfolios.portfolios where name = any(array[${names.map((name) => `'${name}'`).join()}]::text[])`,
  );
  return rows.map(({ name }) => name).sort();
}

/** How many calls a replica has answered. */
function servedBy(replica: Replica): Promise<number> {
  return sumOf(replica, /^rpc_server_call_duration_seconds_count\{[^}]*outcome="ok"[^}]*\} (\d+)/gm);
}

/** How many it did not execute because they had waited. */
function refusedBy(replica: Replica): Promise<number> {
  return sumOf(replica, /^broker_requests_refused_total (\d+)/gm);
}

async function sumOf({ metricsUrl }: Replica, samples: RegExp): Promise<number> {
  const text = await (await fetch(`${metricsUrl}/metrics`)).text();
  return [...text.matchAll(samples)].reduce((sum, [, count]) => sum + Number(count), 0);
}
