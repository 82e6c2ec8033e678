import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { type CommitProxy, type Moment, startCommitProxy } from "../support/commit-proxy.ts";
import { type Replica, type System, startSystem } from "../support/system.ts";

/** Another replica answers as soon as those that call it know that the first is gone. */
const ANSWERED_WITHIN_MS = 30_000;

let system: System;
let way: CommitProxy | undefined;

beforeAll(async () => {
  system = await startSystem();
}, 60_000);
afterEach(async () => {
  await way?.stop();
  way = undefined;
});
afterAll(() => system.stop());

const presentOf = (service: string) =>
  system.replicas.filter(
    ({ service: name, process }) => name === service && process.exitCode === null && !process.killed,
  );

/** One replica of a service, in place of all others, whose way to the database falls silent at that moment. */
async function onlyReplica(service: string, moment: Moment): Promise<Replica> {
  const others = presentOf(service);
  way = await startCommitProxy(system.database.url, `${service}.idempotency.claim`, moment);
  const replica = await system.start(service, { DATABASE_URL: way.url });
  await Promise.all(others.map((other) => other.stop()));
  return replica;
}

async function post(subject: string, path: string, key: string, body?: object) {
  const token = await system.issuer.token(subject);
  const headers = {
    Authorization: `Bearer ${token}`,
    "Idempotency-Key": key,
    ...(body && { "Content-Type": "application/json" }),
  };
  const reply = await fetch(system.url + path, {
    method: "POST",
    headers,
    body: body ? JSON.stringify(body) : null,
  });
  return { status: reply.status, location: reply.headers.get("location"), text: await reply.text() };
}

/** Sends it until somebody is there to answer. */
async function answered(send: () => ReturnType<typeof post>): ReturnType<typeof post> {
  const end = performance.now() + ANSWERED_WITHIN_MS;
  for (;;) {
    const reply = await send();
    if (reply.status < 500 || performance.now() > end) return reply;
    await wait(100);
  }
}

/** Sends a request whose replica is killed at that moment of its commit, and repeats it; answers two repeats. */
async function killedAt(service: string, moment: Moment, send: () => ReturnType<typeof post>) {
  const replica = await onlyReplica(service, moment);
  const first = send().catch(() => undefined);
  await way?.held;
  replica.process.kill("SIGKILL");
  await system.start(service);
  const repeats = [await answered(send), await answered(send)] as const;
  const lost = await first;
  expect(lost?.status ?? 503).toBe(503);
  return repeats;
}

async function rowsOf(sql: string, ...values: unknown[]): Promise<number> {
  const [row] = await system.database.query<{ count: number }>(`select count(*)::int from ${sql}`, values);
  return row?.count ?? 0;
}

describe("a replica that is killed", () => {
  it.each<[string, Moment]>([
    ["between its commit and its reply", "after"],
    ["before its commit", "before"],
  ])(
    "%s leaves one effect to whoever repeats the request",
    async (_, moment) => {
      const [subject, key, name] = [`user-${randomUUID()}`, randomUUID(), randomUUID()];
      await post(subject, "/v1/portfolios", randomUUID(), { name: "First" });
      const send = () => post(subject, "/v1/portfolios", key, { name });
      const [one, other] = await killedAt("portfolios", moment, send);
      expect(one).toMatchObject({ status: 201, location: expect.stringMatching(/^\/v1\/portfolios\//) });
      expect(other).toEqual(one);
      expect(await rowsOf("portfolios.portfolios where name = $1", name)).toBe(1);
      const changed = await post(subject, "/v1/portfolios", key, { name: "Another" });
      expect([changed.status, JSON.parse(changed.text).type]).toEqual([
        422,
        "/problems/idempotency-key-reused",
      ]);
    },
    90_000,
  );

  it("between its commit and its reply has a token shown to whoever repeats the request", async () => {
    const [subject, key, name] = [`user-${randomUUID()}`, randomUUID(), randomUUID()];
    await post(subject, "/v1/portfolios", randomUUID(), { name: "First" });
    const expires_at = new Date(Date.now() + 3_600_000).toISOString();
    const members = { name, scopes: ["portfolios:read"], expires_at };
    const [one, other] = await killedAt("auth", "after", () => post(subject, "/v1/tokens", key, members));
    expect([one.status, other]).toEqual([201, one]);
    const { token } = JSON.parse(one.text) as { token: string };
    const headers = { Authorization: `Bearer ${token}` };
    expect((await fetch(`${system.url}/v1/portfolios`, { headers })).status).toBe(200);
    expect(await rowsOf("auth.personal_access_tokens where name = $1", name)).toBe(1);
    expect(
      await rowsOf("auth.audit_events where act = 'token.created' and details->>'name' = $1", name),
    ).toBe(1);
  }, 90_000);

  it("while it waits for the job that it has asked for leaves one job to whoever repeats the request", async () => {
    const [subject, key] = [`user-${randomUUID()}`, randomUUID()];
    const account = { name: "Exchange", account_type: "exchange", exchange_name: "okx" };
    const { text } = await post(subject, "/v1/accounts", randomUUID(), account);
    const { id } = JSON.parse(text) as { id: string };
    const send = () => post(subject, `/v1/accounts/${id}/sync`, key);
    const [one, other] = await killedAt("accounts", "after", send);
    expect([one.status, other]).toEqual([202, one]);
    expect(await rowsOf("accounts.syncs where account_id = $1", id)).toBe(1);
  }, 90_000);
});
