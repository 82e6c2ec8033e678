import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Replica, type System, startSystem } from "../support/system.ts";
import { exchange, tokenOf } from "./http.ts";

let system: System;
let gateway: Replica;

beforeAll(async () => {
  system = await startSystem({ environment: { SHUTDOWN_PAUSE_SECS: "1" } });
  gateway = system.replicas.find(({ service }) => service === "gateway") as Replica;
});
afterAll(() => system.stop());

describe("a gateway that is told to stop", () => {
  it("answers what is in flight and what still comes, then closes its connections and exits 0", async () => {
    const { hostname: host, port } = new URL(system.url);
    const subject = `stop-${randomUUID()}`;
    const head = `Host: x\r\nAuthorization: Bearer ${await tokenOf(system, subject)}\r\n`;
    expect((await system.request(subject, "POST", "/v1/portfolios", { name: "Before" })).status).toBe(201);
    const idle = connect({ host, port: Number(port) });
    await new Promise((resolve) => idle.once("connect", resolve));

    // Whoever writes now waits for this lock.
    const release = await system.database.lock("portfolios.portfolios");
    const body = JSON.stringify({ name: "In flight" });
    const write = `POST /v1/portfolios HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const inFlight = Array.from({ length: 5 }, () => exchange(system.url, write));
    await until(async () => (await waitingForLock()) > 0);
    const stopped = gateway.stop();

    await until(async () => (await fetch(`${system.url}/ready`)).status === 503);
    const late = await exchange(system.url, `GET /v1/me HTTP/1.1\r\n${head}Connection: close\r\n\r\n`);
    expect(late.replies.map(({ status }) => status)).toEqual([200]);
    await until(async () => gateway.output().includes("draining requests in flight"));
    await release();

    for (const { replies, closed } of await Promise.all(inFlight)) {
      expect([replies.map(({ status }) => status), closed]).toEqual([[201], true]);
    }
    expect(await stopped).toBe(0);
    expect(idle.destroyed || idle.readableEnded || (await ended(idle))).toBe(true);
  });
});

async function waitingForLock(): Promise<number> {
  const [row] = await system.database.query<{ count: number }>(
    "select count(*)::int from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
  );
  return row?.count ?? 0;
}

function ended(socket: NodeJS.ReadableStream): Promise<boolean> {
  return new Promise((resolve) => socket.once("close", () => resolve(true)).resume());
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error("waited for 10 s in vain");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
