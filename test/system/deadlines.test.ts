import { randomUUID } from "node:crypto";
import { request as sendRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type System, startSystem } from "../support/system.ts";

/** An account is deleted in a little more than two seconds; the rest is for a busy machine. */
const REQUEST_TIMEOUT_MS = 7_000;

let system: System;
beforeAll(async () => {
  system = await startSystem({
    replicas: { portfolios: 2 },
    environment: { REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS), DB_MIN_CONNECTIONS: "3" },
  });
}, 120_000);
afterAll(() => system.stop());
/** 100 ms are promised; what is looked with takes its time too, and the rest is for a busy machine. */
const STOPPED_WITHIN_MS = 600;

/** A client that can leave. */
interface Client {
  readonly closed: Promise<void>;
  readonly status: () => number | undefined;
  leave(): void;
}

async function send(subject: string, method: string, path: string, body?: object): Promise<Client> {
  const headers: Record<string, string> = { Authorization: `Bearer ${await system.issuer.token(subject)}` };
  if (body) headers["Content-Type"] = "application/json";
  let status: number | undefined;
  const outgoing = sendRequest(system.url + path, { method, headers, agent: false }, (reply) => {
    status = reply.statusCode;
    reply.resume();
  });
  outgoing.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => outgoing.once("close", resolve));
  outgoing.end(body && JSON.stringify(body));
  return { closed, status: () => status, leave: () => outgoing.destroy() };
}

/** How many statements of a service the server is working on, or keeps waiting. */
async function runningOf(service: string): Promise<number> {
  const [row] = await system.database.query<{ count: number }>(
    `select count(*)::int from pg_stat_activity
      where application_name = $1 and datname = current_database() and state = 'active'`,
    [service],
  );
  return row?.count ?? 0;
}

async function openTransactions(): Promise<number> {
  const [row] = await system.database.query<{ count: number }>(
    `select count(*)::int from pg_stat_activity where datname = current_database()
      and application_name in ('portfolios', 'users', 'accounts') and state like 'idle in transaction%'`,
  );
  return row?.count ?? 0;
}

async function until(isSo: () => boolean | Promise<boolean>, timeoutMs = 5_000): Promise<number> {
  const startedAt = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startedAt > timeoutMs)
      throw new Error(`It was not so in ${timeoutMs} ms: ${isSo}`);
    await pause(5);
  }
  return performance.now() - startedAt;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A user whom everybody knows already. */
async function newUser(): Promise<string> {
  const subject = `leaves-${randomUUID()}`;
  expect((await system.request(subject, "GET", "/v1/portfolios")).status).toBe(200);
  return subject;
}

async function namesOf(subject: string): Promise<string[]> {
  const reply = await system.request(subject, "GET", "/v1/portfolios");
  return ((await reply.json()) as { name: string }[]).map(({ name }) => name);
}

describe("a client that leaves", () => {
  it("takes its statement with it", async () => {
    const subject = await newUser();
    const release = await system.database.lock("portfolios.portfolios");
    try {
      const client = await send(subject, "GET", "/v1/portfolios");
      await until(async () => (await runningOf("portfolios")) === 1);
      client.leave();
      const stoppedMs = await until(async () => (await runningOf("portfolios")) === 0);
      expect(stoppedMs).toBeLessThan(STOPPED_WITHIN_MS);
    } finally {
      await release();
    }
  });

  it("leaves a statement to the others who share it", async () => {
    const subjects = await Promise.all([newUser(), newUser(), newUser(), newUser()]);
    const release = await system.database.lock("portfolios.portfolios");
    const clients = await Promise.all(subjects.map((subject) => send(subject, "GET", "/v1/portfolios")));
    await until(async () => (await runningOf("portfolios")) > 0);
    await pause(100);
    for (const client of clients.slice(2)) client.leave();
    await pause(300);
    await release();
    await Promise.all(clients.map(({ closed }) => closed));
    expect(clients.slice(0, 2).map((client) => client.status())).toEqual([200, 200]);
  });

  it.each([
    ["in one statement", { name: "Abandoned" }],
    ["in a transaction", { name: "Abandoned", is_default: true }],
  ])("has nothing written that was not committed yet, %s", async (_, body) => {
    const subject = await newUser();
    const release = await system.database.lock("portfolios.portfolios");
    const client = await send(subject, "POST", "/v1/portfolios", body);
    await until(async () => (await runningOf("portfolios")) === 1);
    client.leave();
    const stoppedMs = await until(
      async () => (await runningOf("portfolios")) === 0 && (await openTransactions()) === 0,
    );
    expect(stoppedMs).toBeLessThan(STOPPED_WITHIN_MS);
    await release();
    expect(await namesOf(subject)).toEqual([]);
  });

  it("stops also what others do for it, two hops away", async () => {
    const subject = await newUser();
    const created = await system.request(subject, "POST", "/v1/portfolios", { name: "Held" });
    const { id } = (await created.json()) as { id: string };
    const account = await system.request(subject, "POST", "/v1/accounts", {
      name: "Wallet",
      account_type: "manual",
    });
    const { id: accountId } = (await account.json()) as { id: string };
    const linked = await system.request(subject, "POST", `/v1/portfolios/${id}/accounts`, {
      account_id: accountId,
    });
    expect([created.status, account.status, linked.status]).toEqual([201, 201, 201]);
    const release = await system.database.lock("accounts.accounts");
    try {
      const client = await send(subject, "GET", `/v1/portfolios/${id}/holdings`);
      await until(async () => (await runningOf("accounts")) === 1);
      client.leave();
      expect(await until(async () => (await runningOf("accounts")) === 0)).toBeLessThan(STOPPED_WITHIN_MS);
    } finally {
      await release();
    }
  });

  it("turns nothing off for others, however many leave", async () => {
    const [leaving, staying] = await Promise.all([newUser(), newUser()]);
    const release = await system.database.lock("portfolios.portfolios");
    const clients = await Promise.all(
      Array.from({ length: 40 }, () => send(leaving, "GET", "/v1/portfolios")),
    );
    await until(async () => (await runningOf("portfolios")) > 0);
    await pause(200);
    for (const client of clients) client.leave();
    await until(async () => (await runningOf("portfolios")) === 0);
    await release();
    expect((await system.request(staying, "GET", "/v1/portfolios")).status).toBe(200);
  });

  it("is not worked for when its request is tried again elsewhere, because its replica froze", async () => {
    const subject = await newUser();
    const [frozen] = system.replicas.filter(({ service }) => service === "portfolios");
    const release = await system.database.lock("portfolios.portfolios");
    frozen?.process.kill("SIGSTOP");
    try {
      const clients = await Promise.all(
        Array.from({ length: 10 }, () => send(subject, "GET", "/v1/portfolios")),
      );
      await pause(800);
      for (const client of clients) client.leave();
      await until(async () => (await runningOf("portfolios")) === 0);
      // After two seconds the frozen one is given up, and what it had is tried again.
      const since = performance.now();
      while (performance.now() - since < 2_500) {
        expect(await runningOf("portfolios")).toBe(0);
        await pause(20);
      }
    } finally {
      frozen?.process.kill("SIGCONT");
      await release();
    }
    await until(async () => (await system.request(subject, "GET", "/v1/portfolios")).status === 200, 20_000);
  });

  it("is counted as one, and its request as no failure", async () => {
    const gateway = system.replicas.find(({ service }) => service === "gateway");
    const metrics = await (await fetch(`${gateway?.metricsUrl}/metrics`)).text();
    expect(metrics).toMatch(
      /http_server_request_duration_seconds_count\{[^}]*status_code="499"[^}]*\} [1-9]/,
    );
    expect(gateway?.output()).not.toContain("Request failed");
  });

  it("has its account deleted all the same, which takes several steps", async () => {
    const [before, revoked] = await Promise.all([countOf("users.users"), countOf("auth.revocations")]);
    const subject = await newUser();
    expect((await system.request(subject, "POST", "/v1/portfolios", { name: "Last" })).status).toBe(201);
    const client = await send(subject, "DELETE", "/v1/me");
    // The first step; then it waits for two seconds.
    await until(async () => (await countOf("auth.revocations")) > revoked);
    client.leave();
    await until(async () => (await countOf("users.users")) === before, REQUEST_TIMEOUT_MS);
    expect(client.status()).toBeUndefined();
  });
});

async function countOf(table: string): Promise<number> {
  const [row] = await system.database.query<{ count: number }>(`select count(*)::int from ${table}`);
  return row?.count ?? 0;
}

describe("a request whose time is up", () => {
  it("is answered 503, and nothing of it runs any more", async () => {
    const subject = await newUser();
    const release = await system.database.lock("portfolios.portfolios");
    try {
      const startedAt = performance.now();
      const replies = await Promise.all([
        system.request(subject, "GET", "/v1/portfolios"),
        system.request(subject, "POST", "/v1/portfolios", { name: "Late", is_default: true }),
      ]);
      expect(performance.now() - startedAt).toBeGreaterThan(REQUEST_TIMEOUT_MS - 50);
      const stoppedMs = await until(
        async () => (await runningOf("portfolios")) === 0 && (await openTransactions()) === 0,
      );
      expect(stoppedMs).toBeLessThan(STOPPED_WITHIN_MS);
      for (const reply of replies) {
        expect(reply.status).toBe(503);
        expect(reply.headers.get("retry-after")).toBe("1");
        expect(await reply.json()).toMatchObject({ type: "/problems/deadline-exceeded" });
      }
    } finally {
      await release();
    }
    expect(await namesOf(subject)).toEqual([]);
  });

  it("is not done by a replica that finds it when it wakes up", async () => {
    const subject = await newUser();
    const frozen = system.replicas.filter(({ service }) => service === "portfolios");
    const sentAt = performance.now();
    for (const { process } of frozen) process.kill("SIGSTOP");
    try {
      const reply = await system.request(subject, "POST", "/v1/portfolios", { name: "Stale" });
      expect(reply.status).toBe(503);
      // Later than its time, and what clocks may differ by.
      await pause(sentAt + REQUEST_TIMEOUT_MS + 1_500 - performance.now());
    } finally {
      for (const { process } of frozen) process.kill("SIGCONT");
    }
    await until(async () => (await system.request(subject, "GET", "/v1/portfolios")).status === 200, 20_000);
    await pause(300);
    expect(await namesOf(subject)).toEqual([]);
  });
});
