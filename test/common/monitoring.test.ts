import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { ServiceBroker } from "moleculer";
import { freePort } from "../../scripts/development/processes.ts";
import { poolMetrics } from "../../services/common/database/pool-metrics.ts";
import { actionTimer, requestRecorder } from "../../services/common/metrics.ts";
import { type MonitoringOptions, monitoringService } from "../../services/common/monitoring.ts";

const started: ServiceBroker[] = [];
afterAll(() => Promise.all(started.map((broker) => broker.stop())));

/** A process's monitoring on a port of its own. */
async function startMonitoring(changes: Partial<MonitoringOptions> = {}): Promise<string> {
  const options = {
    host: "127.0.0.1",
    port: await freePort(),
    services: ["users", "portfolios"],
    ...changes,
  };
  const broker = new ServiceBroker({ logger: false, skipProcessEventRegistration: true });
  broker.createService(
    monitoringService({
      unreadiness: async () => undefined,
      failed: (error) => {
        throw error;
      },
      ...options,
    }),
  );
  started.push(broker);
  await broker.start();
  return `http://127.0.0.1:${options.port}`;
}

async function answerOf(url: string): Promise<[number, unknown]> {
  const response = await fetch(url);
  expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
  return [response.status, await response.json()];
}

describe("/health and /ready", () => {
  it("say that the process is alive and can serve, and which services it runs", async () => {
    const url = await startMonitoring();
    const services = ["users", "portfolios"];
    await expect(answerOf(`${url}/health`)).resolves.toEqual([200, { status: "ok", services }]);
    await expect(answerOf(`${url}/ready`)).resolves.toEqual([200, { status: "ready", services }]);
  });

  it("say why it cannot serve now, while it is alive", async () => {
    const url = await startMonitoring({ unreadiness: async () => "NATS is not connected" });
    const unready = {
      status: "not ready",
      services: ["users", "portfolios"],
      reason: "NATS is not connected",
    };
    await expect(answerOf(`${url}/ready`)).resolves.toEqual([503, unready]);
    await expect(answerOf(`${url}/health`)).resolves.toMatchObject([200, {}]);
  });

  it("answer before the broker has started", async () => {
    const port = await freePort();
    const broker = new ServiceBroker({ logger: false, skipProcessEventRegistration: true });
    started.push(broker);
    const failed = (error: Error) => {
      throw error;
    };
    const unreadiness = async () => "starting";
    broker.createService(
      monitoringService({ host: "127.0.0.1", port, services: ["users"], unreadiness, failed }),
    );
    const url = `http://127.0.0.1:${port}`;
    await expect(answerOf(`${url}/health`)).resolves.toMatchObject([200, { status: "ok" }]);
    await expect(answerOf(`${url}/ready`)).resolves.toMatchObject([503, { reason: "starting" }]);
  });

  it("answer also when finding out fails", async () => {
    const url = await startMonitoring({ unreadiness: () => Promise.reject(new Error("out of order")) });
    await expect(answerOf(`${url}/ready`)).resolves.toMatchObject([503, { reason: "out of order" }]);
  });
});

describe("/metrics", () => {
  let lines: string[];
  let contentType: string | null;

  beforeAll(async () => {
    const url = await startMonitoring();
    const past = performance.now() - 30;
    actionTimer("tests.act").succeeded(past);
    actionTimer("tests.act").failed(past, "FORBIDDEN");
    const recorder = requestRecorder("GET", "/v1/tests/{id}");
    recorder.answered(200, past);
    recorder.answered(404, past);
    recorder.refused("PORTFOLIO_NOT_FOUND");
    const pool = poolMetrics("tests", { minimum: 2, maximum: 9, acquireTimeoutSeconds: 30 });
    pool.watch(() => ({ opening: 1, idle: 2, active: 3, closing: 4, waiting: 5 }));
    pool.acquired(0.03);
    pool.timedOut();
    const response = await fetch(`${url}/metrics`);
    contentType = response.headers.get("content-type");
    lines = (await response.text()).split("\n");
  });

  it("are in Prometheus' text format, each sample once", () => {
    expect(contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
    const samples = lines
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.replace(/ \S+$/, ""));
    expect(new Set(samples).size).toBe(samples.length);
    const format = /^($|# (HELP|TYPE) \w+ |[a-z_]+(\{("[^"]*"|[^"}])*\})? \S+( \d+)?$)/;
    for (const line of lines) expect(line).toMatch(format);
  });

  it.each([
    'rpc_server_call_duration_seconds_count{action="tests.act",outcome="ok"} 1',
    'rpc_server_call_duration_seconds_count{action="tests.act",outcome="FORBIDDEN"} 1',
    'rpc_server_call_duration_seconds_bucket{le="0.01",action="tests.act",outcome="ok"} 0',
    'rpc_server_call_duration_seconds_bucket{le="10",action="tests.act",outcome="ok"} 1',
    'http_server_request_duration_seconds_count{http_request_method="GET",http_route="/v1/tests/{id}",http_response_status_code="200"} 1',
    'http_server_request_duration_seconds_count{http_request_method="GET",http_route="/v1/tests/{id}",http_response_status_code="404"} 1',
    'http_server_request_problems_total{http_request_method="GET",http_route="/v1/tests/{id}",problem="PORTFOLIO_NOT_FOUND"} 1',
    'db_client_connection_acquire_timeout_seconds{pool="tests"} 30',
    'db_client_connection_count{pool="tests",state="used"} 3',
    'db_client_connection_count{pool="tests",state="idle"} 2',
    'db_client_connection_count{pool="tests",state="opening"} 1',
    'db_client_connection_count{pool="tests",state="closing"} 4',
    'db_client_connection_max{pool="tests"} 9',
    'db_client_connection_min{pool="tests"} 2',
    'db_client_connection_pending_requests{pool="tests"} 5',
    'db_client_connection_timeouts_total{pool="tests"} 1',
    'db_client_connection_refusals_total{pool="tests"} 0',
    'db_client_connection_wait_time_seconds_bucket{le="0.025",pool="tests"} 0',
    'db_client_connection_wait_time_seconds_bucket{le="0.05",pool="tests"} 1',
    "broker_connected 0",
    "broker_pending_requests 0",
  ])("have %s", (sample) => {
    expect(lines).toContain(sample);
  });

  it("give durations in seconds", () => {
    const sum = lines.find((line) =>
      line.startsWith('rpc_server_call_duration_seconds_sum{action="tests.act",outcome="ok"}'),
    );
    const seconds = Number(sum?.split(" ").at(-1));
    expect(seconds).toBeGreaterThan(0.029);
    expect(seconds).toBeLessThan(5);
  });

  it("tell of the process, the event loop and the topology, too", () => {
    for (const name of [
      "process_cpu_user_seconds_total",
      "nodejs_eventloop_lag_seconds",
      "moleculer_nodes_total",
    ]) {
      expect(lines.some((line) => line.startsWith(name))).toBe(true);
    }
    expect(lines.some((line) => line.includes("moleculer_req_"))).toBe(false);
  });
});

describe("a metrics port that is taken", () => {
  it("is reported", async () => {
    const other = createServer();
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const failed = new Promise<Error>((resolve) => {
      void startMonitoring({ port, failed: resolve });
    });
    await expect(failed).resolves.toMatchObject({ code: "EADDRINUSE" });
    other.close();
  });
});
