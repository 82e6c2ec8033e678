import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type System, startReplica, startSystem } from "../support/system.ts";
import { startReceiver } from "./tracing-receiver.ts";

const PRELOADED = fileURLToPath(new URL("loaded-modules.mjs", import.meta.url));
/** Spans are sent every two seconds. */
const PHASE_MS = 4_500;
/** Of a process: requests in flight have ended by then, and closing may take three seconds. */
const STOP_MS = 10_000;

const toStop: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of toStop.splice(0).reverse()) await stop();
});

async function running(environment: Record<string, string>): Promise<System> {
  const system = await startSystem({
    environment: { NODE_OPTIONS: `--import=${PRELOADED}`, ...environment },
  });
  toStop.push(() => system.stop());
  return system;
}

function outputOf({ replicas }: System, service: string): string {
  return replicas.find((replica) => replica.service === service)?.output() ?? "";
}

describe("a process without a receiver", () => {
  it("loads nothing of OpenTelemetry, and answers without a traceresponse", async () => {
    const system = await running({});
    const reply = await system.request(`user-${randomUUID()}`, "POST", "/v1/portfolios", { name: "P" });
    expect([reply.status, reply.headers.has("traceresponse")]).toEqual([201, false]);
    const [stored] = await system.database.query<{ count: number }>(
      "select count(traceparent)::int as count from portfolios.outbox",
    );
    expect(stored?.count).toBe(0);
    await Promise.all(system.replicas.map((replica) => replica.stop()));
    for (const { service } of system.replicas) expect(outputOf(system, service)).toContain('{"loaded":[]}');
  });
});

describe("a receiver that fails", () => {
  it("costs no request anything, whether it refuses, is silent or is gone; one warning, and no stop its exit", async () => {
    const receiver = await startReceiver();
    const system = await running({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_TRACES_SAMPLER: "always_on",
    });
    const user = `user-${randomUUID()}`;
    const statuses = new Set<number>();
    async function ask(durationMs: number): Promise<void> {
      const end = Date.now() + durationMs;
      while (Date.now() < end) {
        const asked = Array.from({ length: 20 }, () => system.request(user, "GET", "/v1/portfolios"));
        for (const { status } of await Promise.all(asked)) statuses.add(status);
      }
    }
    receiver.answers = 400;
    await ask(PHASE_MS);
    expect(receiver.requests()).toBeGreaterThan(0);
    receiver.answers = 503;
    await ask(PHASE_MS);
    receiver.answers = undefined;
    await ask(PHASE_MS);
    expect(receiver.spans).toEqual([]);
    await receiver.stop();
    await ask(PHASE_MS / 2);
    expect([...statuses]).toEqual([200]);

    const began = performance.now();
    const codes = await Promise.all(system.replicas.map((replica) => replica.stop()));
    expect(codes).toEqual(system.replicas.map(() => 0));
    expect(performance.now() - began).toBeLessThan(STOP_MS);
    const lines = outputOf(system, "gateway").split("\n");
    expect(lines.filter((line) => line.includes("spans of traces were lost"))).toEqual([
      expect.stringContaining("the receiver answered with status 400"),
    ]);
    expect(outputOf(system, "gateway")).not.toContain("canary-of-the-receiver");
    expect(outputOf(system, "gateway")).toMatch(/"loaded":\[.*"@opentelemetry\/sdk-trace"/);
  });
});

describe("a process whose settings are wrong", () => {
  it("does not start, and names them all", async () => {
    const start = startReplica("gateway", {
      OTEL_EXPORTER_OTLP_ENDPOINT: "collector",
      OTEL_TRACES_SAMPLER_ARG: "7",
      REQUEST_TIMEOUT_MS: "soon",
    });
    const { message } = await start.then(
      () => new Error("it started"),
      (error: Error) => error,
    );
    expect(message).toContain(
      'OTEL_EXPORTER_OTLP_ENDPOINT must be a URL that starts with http:// or https://, but is "collector".',
    );
    expect(message).toContain('OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1, as 0.25, but is "7".');
    expect(message).toContain("REQUEST_TIMEOUT_MS");
  });
});
