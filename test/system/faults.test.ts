import { randomUUID } from "node:crypto";
import { afterAll, afterEach, describe, expect, it } from "@jest/globals";
import { startNatsServer } from "../../scripts/development/nats-server.ts";
import { type System, startSystem, untilReady } from "../support/system.ts";

let system: System | undefined;

afterEach(async () => {
  await system?.stop();
  system = undefined;
});

const binary = process.env.TEST_NATS_BINARY as string;
const nats = await startNatsServer({ binary });
let restarted: Awaited<ReturnType<typeof startNatsServer>> | undefined;
afterAll(async () => {
  await nats.stop();
  await restarted?.stop();
});

async function statusOf(url: string): Promise<number> {
  return (await fetch(url)).status;
}

describe("a replica that is stopped", () => {
  it("fails no request while another one of its service is there, and exits 0 in the stated order", async () => {
    system = await startSystem({
      replicas: { portfolios: 2, users: 2, auth: 2 },
      environment: { PRINCIPAL_CACHE_SECS: "0" },
    });
    const { request, replicas } = system;
    const failures: string[] = [];
    let stopped = false;
    async function client(subject: string): Promise<void> {
      while (!stopped) {
        const reply = await request(subject, "GET", "/v1/portfolios");
        if (reply.status !== 200) failures.push(`${reply.status} ${await reply.text()}`);
        else await reply.arrayBuffer();
      }
    }
    const clients = Array.from({ length: 10 }, () => client(`roll-${randomUUID()}`));
    for (const service of ["portfolios", "users", "auth"]) {
      const replica = replicas.find((candidate) => candidate.service === service);
      expect(await replica?.stop()).toBe(0);
      const lines = ["not ready any more", "draining requests in flight", "left the broker", "pools closed"];
      const positions = lines.map((line) => replica?.output().indexOf(line) ?? -1);
      expect(positions).toEqual([...positions].sort((a, b) => a - b));
      expect(positions[0]).toBeGreaterThan(0);
    }
    stopped = true;
    await Promise.all(clients);
    expect(failures).toEqual([]);
  });
});

describe("NATS that is gone", () => {
  it("makes requests fail with 503 at once and processes not ready; all is well again when it is back", async () => {
    system = await startSystem({ environment: { NATS_URL: nats.url } });
    const { request, url, replicas } = system;
    const subject = `nats-${randomUUID()}`;
    expect((await request(subject, "GET", "/v1/portfolios")).status).toBe(200);
    const port = Number(new URL(nats.url).port);
    await nats.stop();

    for (let attempt = 0; attempt < 40 && (await statusOf(`${url}/ready`)) !== 503; attempt += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(await statusOf(`${url}/ready`)).toBe(503);
    expect(await statusOf(`${url}/health`)).toBe(200);
    const startedAt = performance.now();
    const refused = await request(subject, "GET", "/v1/portfolios");
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("2");
    expect(await refused.json()).toMatchObject({ type: "/problems/service-unavailable", status: 503 });
    expect(performance.now() - startedAt).toBeLessThan(2_000);

    restarted = await startNatsServer({ binary, port });
    await Promise.all(
      [url, ...replicas.map(({ metricsUrl }) => metricsUrl)].map((each) => untilReady(`${each}/ready`)),
    );
    await untilAnswered(() => request(subject, "GET", "/v1/portfolios"));
  });
});

/** A moment may pass between a process being ready and the others having seen it again. */
async function untilAnswered(send: () => Promise<Response>): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if ((await send()).status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("requests still fail 5 s after NATS is back");
}

describe("a pool that is exhausted", () => {
  it("answers 503 POOL_EXHAUSTED with Retry-After, and recovers", async () => {
    // Two for requests, and one stays with the jobs.
    const environment = { PORTFOLIOS_DB_MAX_CONNECTIONS: "3", PORTFOLIOS_DB_ACQUIRE_TIMEOUT_SECS: "1" };
    system = await startSystem({ environment });
    const { request, database } = system;
    const subject = `pool-${randomUUID()}`;
    expect((await request(subject, "POST", "/v1/portfolios", { name: "One" })).status).toBe(201);
    // Whoever writes now waits for this lock, and holds a connection meanwhile.
    const release = await database.lock("portfolios.portfolios");
    const replies = await Promise.all([
      ...Array.from({ length: 2 }, () => request(subject, "POST", "/v1/portfolios", { name: "Waits" })),
      new Promise((resolve) => setTimeout(resolve, 300)).then(() =>
        request(subject, "GET", "/v1/portfolios"),
      ),
      new Promise((resolve) => setTimeout(resolve, 2_500)).then(release),
    ]);
    const refused = replies[2] as Response;
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(await refused.json()).toMatchObject({ type: "/problems/pool-exhausted" });
    expect(replies.slice(0, 2).map((reply) => (reply as Response).status)).toEqual([201, 201]);
    expect((await request(subject, "GET", "/v1/portfolios")).status).toBe(200);
  });
});

describe("PostgreSQL that drops every connection", () => {
  it("is survived: the pool is whole again, the minimum included", async () => {
    system = await startSystem({ environment: { DB_MIN_CONNECTIONS: "3" } });
    const { request, database } = system;
    const subject = `backend-${randomUUID()}`;
    expect((await request(subject, "GET", "/v1/portfolios")).status).toBe(200);
    const services = "application_name in ('users', 'portfolios') and datname = current_database()";
    await database.query(`select pg_terminate_backend(pid) from pg_stat_activity where ${services}`);
    await untilAnswered(() => request(subject, "GET", "/v1/portfolios"));
    for (let attempt = 0; attempt < 60; attempt += 1) {
      const [row] = await database.query<{ count: number }>(
        `select count(*)::int from pg_stat_activity where ${services}`,
      );
      if ((row?.count ?? 0) >= 6) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("the pools are not whole again after 3 s");
  });
});
