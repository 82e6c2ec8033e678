import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { keyFetch } from "../../services/auth/key-fetch.ts";
import { coalesce } from "../../services/common/database/coalesce.ts";
import { inTransaction } from "../../services/common/database/transaction.ts";
import { openOutgoing } from "../../services/common/outgoing/outgoing.ts";
import { startSdk } from "../../services/common/tracing/start-sdk.ts";
import { switchTracing, type Tracing } from "../../services/common/tracing.ts";
import { type PoolGround, startPoolGround } from "../common/database/pools.ts";
import { type ReceivedSpan, type Receiver, startReceiver } from "./tracing-receiver.ts";

const REQUEST = { name: "request", kind: "server" } as const;

let receiver: Receiver;
let ground: PoolGround;

beforeAll(async () => {
  [receiver, ground] = await Promise.all([startReceiver(), startPoolGround()]);
});
afterAll(async () => {
  switchTracing(undefined);
  await ground.stop();
  await receiver.stop();
});

/** What is done is traced, and its spans are answered. */
async function spansOf(work: (on: Tracing) => Promise<unknown>): Promise<readonly ReceivedSpan[]> {
  const warnings: string[] = [];
  const process = {
    services: ["test"],
    namespace: "test",
    nodeID: "n",
    warn: (text: string) => warnings.push(text),
  };
  const config = { url: `${receiver.url}/v1/traces`, sampler: "always_on", ratio: 1 } as const;
  const tracing = startSdk(config, process);
  switchTracing(tracing);
  const before = receiver.spans.length;
  try {
    await work(tracing);
  } finally {
    switchTracing(undefined);
    await tracing.close();
  }
  expect(warnings).toEqual([]);
  return receiver.spans.slice(before);
}

const select = (text: string) => ({ text });

describe("statements", () => {
  it("that are part of no trace make none, and wait for no span", async () => {
    const { pool } = await ground.openPool();
    const spans = await spansOf(() => pool.query(select("select 1")));
    expect(spans).toEqual([]);
  });

  it("that wait for a connection show it, and those of a transaction follow each other", async () => {
    const { pool } = await ground.openPool({ maxConnections: 1, minConnections: 1 });
    const spans = await spansOf((on) =>
      Promise.all([
        on.alone(REQUEST, () => pool.query(select("select pg_sleep(0.2)"))),
        on.alone({ ...REQUEST, name: "waiting" }, () =>
          inTransaction(pool, async (query) => query(select("select 'canary' as said"))),
        ),
      ]),
    );
    const waiting = spans.find(({ name }) => name === "waiting") as ReceivedSpan;
    const below = spans.filter(({ parentId }) => parentId === waiting.spanId);
    const inOrder = below.toSorted((one, other) => Number(one.startNs - other.startNs));
    expect(inOrder.map(({ name }) => name)).toEqual(["wait for a connection", "BEGIN", "SELECT", "COMMIT"]);
    const [wait] = inOrder as [ReceivedSpan];
    expect(Number(wait.endNs - wait.startNs) / 1e6).toBeGreaterThan(100);
    expect(receiver.bytes().includes("canary")).toBe(false);
  });

  it("that fail have the code of their failure, and not its words", async () => {
    const { pool } = await ground.openPool();
    const spans = await spansOf((on) =>
      on.alone(REQUEST, () => pool.query(select("select 'canary'::int"))).catch(() => undefined),
    );
    expect(spans.map(({ name, isFailed, attributes }) => [name, isFailed, attributes["error.type"]])).toEqual(
      [
        ["SELECT", true, "22P02"],
        ["request", true, "22P02"],
      ],
    );
    expect(receiver.bytes().includes("canary")).toBe(false);
  });

  it("that several share are in the trace of one of those that are recorded, linked with the others", async () => {
    const { pool } = await ground.openPool();
    const read = coalesce<number, number>({
      maxBatchSize: 100,
      maxBatches: 1,
      read: async (keys) => {
        await pool.query(select("select 1"));
        return keys;
      },
    });
    const spans = await spansOf(async (on) => {
      const unsampled = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-00` };
      await Promise.all([
        read(0),
        on.following(unsampled, REQUEST, () => read(1)),
        on.alone({ ...REQUEST, name: "leader" }, () => read(2)),
        on.alone({ ...REQUEST, name: "follower" }, () => read(3)),
      ]);
    });
    const named = (name: string) => spans.find((span) => span.name === name) as ReceivedSpan;
    expect(spans).toHaveLength(4);
    expect(named("shared read")).toMatchObject({
      parentId: named("leader").spanId,
      links: [{ traceId: named("follower").traceId, spanId: named("follower").spanId }],
    });
    expect(named("SELECT").parentId).toBe(named("shared read").spanId);
    expect(named("follower").links).toEqual([
      { traceId: named("leader").traceId, spanId: named("shared read").spanId },
    ]);
  });

  it("that come after the first batch are in a trace of their own, not in the one that made room", async () => {
    const { pool } = await ground.openPool();
    const read = coalesce<number, number>({
      maxBatchSize: 1,
      maxBatches: 1,
      read: async (keys) => {
        await pool.query(select("select pg_sleep(0.05)"));
        return keys;
      },
    });
    const spans = await spansOf((on) =>
      Promise.all(["a", "b", "c"].map((name, key) => on.alone({ ...REQUEST, name }, () => read(key)))),
    );
    for (const name of ["a", "b", "c"]) {
      const { traceId } = spans.find((span) => span.name === name) as ReceivedSpan;
      const ofTrace = spans.filter((span) => span.traceId === traceId);
      expect(ofTrace.map((span) => span.name).toSorted()).toEqual(["SELECT", name, "shared read"].toSorted());
    }
  });
});

describe("more spans than a queue has room for", () => {
  it("are dropped, and who makes them never waits", async () => {
    const count = 20_000;
    receiver.answers = undefined;
    const warnings: string[] = [];
    const process = {
      services: ["test"],
      namespace: "test",
      nodeID: "n",
      warn: (text: string) => warnings.push(text),
    };
    const on = startSdk({ url: `${receiver.url}/v1/traces`, sampler: "always_on", ratio: 1 }, process);
    const began = performance.now();
    for (let index = 0; index < count; index += 1) on.alone(REQUEST, () => index);
    expect(performance.now() - began).toBeLessThan(5_000);
    const closing = performance.now();
    await on.close();
    expect(performance.now() - closing).toBeLessThan(4_000);
    receiver.answers = 200;
    expect(warnings).toEqual([expect.stringContaining("The last spans of traces were not sent")]);
  });
});

describe("requests to others", () => {
  it("tell the issuer of the trace, and providers of nothing", async () => {
    const heard: IncomingHttpHeaders[] = [];
    let url = "";
    const server = createServer((request, response) => {
      heard.push(request.headers);
      const content = request.url === "/keys" ? { keys: [] } : { issuer: url, jwks_uri: `${url}/keys` };
      response.setHeader("Content-Type", "application/json").end(JSON.stringify(content));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    url = `http://${host}`;
    const outgoing = openOutgoing({ rules: { hosts: [], privateHosts: [host] }, timeoutMs: 5_000 });
    const fetchKeys = keyFetch({ issuer: url, keyOrigins: [], now: Date.now });
    const spans = await spansOf((on) =>
      on.alone(REQUEST, async () => {
        await fetchKeys(new AbortController().signal);
        await outgoing.fetch(`${url}/canary/address?key=canary`);
        await delay(1);
      }),
    );
    outgoing.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    const { traceId } = spans[0] as ReceivedSpan;
    expect(heard.map(({ traceparent }) => String(traceparent).split("-")[1])).toEqual([
      traceId,
      traceId,
      undefined,
    ]);
    const asked = spans.filter(({ name }) => name === "GET");
    const attributes = {
      "server.address": host,
      "http.request.method": "GET",
      "http.response.status_code": 200,
    };
    expect(asked.map((span) => span.attributes)).toEqual([attributes, attributes, attributes]);
    expect(receiver.bytes().includes("canary")).toBe(false);
  });
});
