import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type System, startSystem } from "../support/system.ts";

const MINIMUM = 3;
const MAXIMUM = 7;

let system: System;

beforeAll(async () => {
  const environment = { DB_MIN_CONNECTIONS: String(MINIMUM), DB_MAX_CONNECTIONS: String(MAXIMUM) };
  system = await startSystem({ environment });
});
afterAll(() => system.stop());

/** The samples of a process's metrics, by name with labels. */
async function metricsOf(service: string): Promise<ReadonlyMap<string, number>> {
  const replica = system.replicas.find((candidate) => candidate.service === service);
  const text = await (await fetch(`${replica?.metricsUrl}/metrics`)).text();
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    samples.map((line) => [line.replace(/ \S+( \d+)?$/, ""), Number(/ (\S+)( \d+)?$/.exec(line)?.[1])]),
  );
}

function sumOf(metrics: ReadonlyMap<string, number>, prefix: string): number {
  return [...metrics].filter(([name]) => name.startsWith(prefix)).reduce((sum, [, value]) => sum + value, 0);
}

describe("the metrics of the running system", () => {
  it("count exactly the requests that were sent, by route and by action, and the problems", async () => {
    const subject = `counted-${randomUUID()}`;
    for (let index = 0; index < 2; index += 1)
      await system.request(subject, "POST", "/v1/portfolios", { name: "P" });
    await Promise.all(Array.from({ length: 30 }, () => system.request(subject, "GET", "/v1/portfolios")));
    for (let index = 0; index < 3; index += 1) {
      await system.request(subject, "GET", `/v1/portfolios/${randomUUID()}`);
      await system.request(subject, "GET", `/no/such/${randomUUID()}`);
    }
    await system.request(undefined, "GET", "/v1/portfolios");

    const gateway = await metricsOf("gateway");
    const requests = 'http_server_request_duration_seconds_count{http_request_method="GET",http_route=';
    expect(gateway.get(`${requests}"/v1/portfolios",http_response_status_code="200"}`)).toBe(30);
    expect(gateway.get(`${requests}"/v1/portfolios",http_response_status_code="401"}`)).toBe(1);
    expect(gateway.get(`${requests}"/v1/portfolios/{id}",http_response_status_code="404"}`)).toBe(3);
    expect(sumOf(gateway, 'http_server_request_problems_total{http_request_method="other"')).toBe(3);

    const portfolios = await metricsOf("portfolios");
    const calls = "rpc_server_call_duration_seconds_count";
    expect(portfolios.get(`${calls}{action="portfolios.list",outcome="ok"}`)).toBe(30);
    expect(portfolios.get(`${calls}{action="portfolios.create",outcome="ok"}`)).toBe(2);
    expect(portfolios.get(`${calls}{action="portfolios.get",outcome="PORTFOLIO_NOT_FOUND"}`)).toBe(3);
  });

  it("give durations in seconds, with buckets that P50, P95 and P99 can be computed from", async () => {
    const name =
      'http_server_request_duration_seconds_bucket{le="10",http_request_method="GET",http_route="/v1/portfolios"';
    const gateway = await metricsOf("gateway");
    expect(sumOf(gateway, name)).toBe(31);
    const total = sumOf(gateway, "http_server_request_duration_seconds_sum");
    expect(total).toBeGreaterThan(0);
    expect(total).toBeLessThan(60);
  });

  it("tell of each pool what pg_stat_activity tells", async () => {
    for (const service of ["users", "portfolios"]) {
      const metrics = await metricsOf(service);
      const [row] = await system.database.query<{ count: number }>(
        "select count(*)::int from pg_stat_activity where application_name = $1 and datname = current_database()",
        [service],
      );
      const open = sumOf(metrics, `db_client_connection_count{pool="${service}"`);
      expect(open).toBe(row?.count);
      expect(open).toBeGreaterThanOrEqual(MINIMUM);
      expect(metrics.get(`db_client_connection_max{pool="${service}"}`)).toBe(MAXIMUM);
      expect(metrics.get(`db_client_connection_min{pool="${service}"}`)).toBe(MINIMUM);
      expect(metrics.get(`db_client_connection_pending_requests{pool="${service}"}`)).toBe(0);
      expect(metrics.get(`db_client_connection_timeouts_total{pool="${service}"}`)).toBe(0);
      expect(metrics.get(`db_client_connection_wait_time_seconds_count{pool="${service}"}`)).toBeGreaterThan(
        0,
      );
    }
  });

  it("tell of the broker, its topology and the event loop", async () => {
    for (const service of ["gateway", "auth", "users", "portfolios"]) {
      const metrics = await metricsOf(service);
      expect(metrics.get("broker_connected")).toBe(1);
      expect(metrics.get('broker_packets_total{direction="sent"}')).toBeGreaterThan(0);
      expect(metrics.get("moleculer_nodes_total")).toBe(system.replicas.length);
      expect(metrics.has("nodejs_eventloop_lag_seconds")).toBe(true);
      expect(metrics.has("process_cpu_user_seconds_total")).toBe(true);
    }
  });

  it("grow by no series when addresses and users are made up", async () => {
    const before = (await metricsOf("gateway")).size;
    await Promise.all(
      Array.from({ length: 50 }, () =>
        system.request(`s-${randomUUID()}`, "GET", `/v1/portfolios/${randomUUID()}`),
      ),
    );
    await Promise.all(
      Array.from({ length: 50 }, () => system.request("s", "GET", `/${randomUUID()}?q=${randomUUID()}`)),
    );
    expect((await metricsOf("gateway")).size).toBe(before);
  });
});

describe("/health and /ready of each process", () => {
  it.each(["gateway", "auth", "users", "portfolios"])(
    "answer for %s on its metrics port",
    async (service) => {
      const replica = system.replicas.find((candidate) => candidate.service === service);
      const health = await fetch(`${replica?.metricsUrl}/health`);
      expect([health.status, await health.json()]).toEqual([200, { status: "ok", services: [service] }]);
      const ready = await fetch(`${replica?.metricsUrl}/ready`);
      expect([ready.status, await ready.json()]).toEqual([200, { status: "ready", services: [service] }]);
    },
  );
});

describe("the log of a process that is not on a terminal", () => {
  it("is JSON, and tells the start as an operator looks for it, in its order", () => {
    const replica = system.replicas.find(({ service }) => service === "portfolios");
    const lines = (replica?.output() ?? "")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { msg: string });
    const expected = [
      /^Moleculer runtime: portfolios as replica portfolios\.\S+, transporter NATS$/,
      new RegExp(
        `^Initializing database connection pool with max_connections=${MAXIMUM}, min_connections=${MINIMUM}$`,
      ),
      /^Database connection pool established$/,
      /^Replicas: gateway \d+, auth \d+, users \d+, portfolios 1, accounts \d+, market \d+$/,
      /^Server ready to handle concurrent requests$/,
    ];
    const positions = expected.map((pattern) => lines.findIndex(({ msg }) => pattern.test(msg)));
    expect(positions).not.toContain(-1);
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
  });
});
