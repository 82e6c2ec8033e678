import { createServer, type Server, type ServerResponse } from "node:http";
import type { ServiceBroker, ServiceSchema } from "moleculer";
import prometheus from "moleculer-prometheus";
import type { Metric, Registry } from "prom-client";
import { collectDatabaseMetrics, databaseMetrics } from "./database/pool-metrics.ts";
import { requestMetrics } from "./metrics.ts";
import type { OpenService, Unreadiness } from "./service.ts";
import { brokerMetrics, collectBrokerMetrics } from "./transport.ts";

/** How often CPU time, memory and the event loop's lag are looked at. */
const PROCESS_METRICS_INTERVAL_MS = 5_000;

export interface MonitoringOptions {
  readonly host: string;
  readonly port: number;
  /** The names of the services that this process runs. */
  readonly services: readonly string[];
  readonly unreadiness: Unreadiness;
  /** The services' own metrics; asked for when the broker starts, because the services are opened until then. */
  readonly metrics?: () => readonly NonNullable<OpenService["metrics"]>[];
  /** The port could not be opened. */
  readonly failed: (error: Error) => void;
}

/** The parts of moleculer-prometheus that are used here; it ships no types. */
interface Prometheus {
  readonly broker: ServiceBroker;
  readonly register: Registry;
  readonly client: { contentType: string };
  readonly server: {
    server: Server;
    listen: (port: number, host?: string) => Promise<void>;
    get: (path: string, handler: (request: unknown, response: ServerResponse) => void) => void;
  };
}

/**
 * The process's own page on its own port: /metrics for Prometheus, /health and /ready for whoever runs it. Those two
 * answer from the moment at which the service is created: a process that waits for its database or its broker is alive.
 */
export function monitoringService(options: MonitoringOptions): ServiceSchema {
  const schema = {
    name: "monitoring",
    mixins: [prometheus],
    settings: {
      port: options.port,
      timeout: PROCESS_METRICS_INTERVAL_MS,
      // They listen to events that Moleculer 0.15 no longer sends, and would stay empty.
      metrics: {
        moleculer_req_total: null,
        moleculer_req_errors_total: null,
        moleculer_req_duration_ms: null,
      },
    },
    created(this: Prometheus) {
      const { server } = this;
      server.server = createServer().on("error", options.failed);
      answerProbes(server, options);
      const listening = server.listen(options.port, options.host);
      // The mixin's own, once the broker has started.
      server.listen = () => listening;
    },
    started(this: Prometheus) {
      const metrics = options.metrics?.() ?? [];
      const own = [
        ...requestMetrics,
        ...databaseMetrics,
        ...brokerMetrics,
        ...metrics.flatMap((each) => each.metrics),
      ];
      for (const metric of own) this.register.registerMetric(metric as Metric);
      this.server.get("/metrics", (_, response) => {
        collectDatabaseMetrics();
        collectBrokerMetrics(this.broker);
        for (const { collect } of metrics) collect();
        send(response, 200, this.client.contentType, this.register.metrics());
      });
    },
  };
  return schema as unknown as ServiceSchema;
}

function answerProbes(server: Prometheus["server"], { services, unreadiness }: MonitoringOptions): void {
  server.get("/health", (_, response) => sendJson(response, 200, { status: "ok", services }));
  server.get("/ready", async (_, response) => {
    const reason = await unreadiness().catch((error: Error) => error.message);
    if (reason === undefined) sendJson(response, 200, { status: "ready", services });
    else sendJson(response, 503, { status: "not ready", services, reason });
  });
}

function sendJson(response: ServerResponse, status: number, content: object): void {
  send(response, status, "application/json; charset=utf-8", JSON.stringify(content));
}

function send(response: ServerResponse, status: number, type: string, content: string): void {
  response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(content) });
  response.end(content);
}
