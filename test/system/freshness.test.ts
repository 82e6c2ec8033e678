import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Portfolio } from "../../services/portfolios/contract/portfolio.ts";
import { type System, startSystem } from "../support/system.ts";

const REPLICAS = 3;

let system: System;

beforeAll(async () => {
  system = await startSystem({ replicas: { portfolios: REPLICAS } });
});
afterAll(() => system.stop());

/** How many calls of an action each replica of portfolios has answered. */
async function callsPerReplica(action: string): Promise<number[]> {
  const replicas = system.replicas.filter(({ service }) => service === "portfolios");
  return Promise.all(
    replicas.map(async ({ metricsUrl }) => {
      const text = await (await fetch(`${metricsUrl}/metrics`)).text();
      const line = new RegExp(
        `^rpc_server_call_duration_seconds_count\\{action="${action}",outcome="ok"\\} (\\d+)`,
        "m",
      );
      return Number(line.exec(text)?.[1] ?? 0);
    }),
  );
}

describe(`the read path over ${REPLICAS} replicas of portfolios`, () => {
  it("shows a client its own last write at once, through any replica, while others read and write", async () => {
    const stale: string[] = [];
    async function client(subject: string): Promise<void> {
      const reply = await system.request(subject, "POST", "/v1/portfolios", { name: "New" });
      const created = (await reply.json()) as Portfolio;
      const path = `/v1/portfolios/${created.id}`;
      for (let turn = 1; turn <= 15; turn += 1) {
        const name = `Name ${turn}`;
        const updated = await system.request(subject, "PUT", path, { name });
        expect(updated.status).toBe(200);
        // One after the other, so that round robin takes each replica in turn.
        for (let read = 0; read < REPLICAS; read += 1) {
          const single = (await (await system.request(subject, "GET", path)).json()) as Portfolio;
          const [listed] = (await (
            await system.request(subject, "GET", "/v1/portfolios")
          ).json()) as Portfolio[];
          if (single.name !== name || listed?.name !== name)
            stale.push(`${name}: ${single.name}, ${listed?.name}`);
        }
      }
      expect((await system.request(subject, "DELETE", path)).status).toBe(204);
      expect((await system.request(subject, "GET", path)).status).toBe(404);
      expect(await (await system.request(subject, "GET", "/v1/portfolios")).json()).toEqual([]);
    }
    await Promise.all(Array.from({ length: 8 }, () => client(`fresh-${randomUUID()}`)));
    expect(stale).toEqual([]);
    const calls = await callsPerReplica("portfolios.list");
    expect(calls).toHaveLength(REPLICAS);
    expect(Math.min(...calls)).toBeGreaterThan(0);
  });

  it("shows a change that was made in the database itself to the next request", async () => {
    const subject = `fresh-${randomUUID()}`;
    const { id } = (await (
      await system.request(subject, "POST", "/v1/portfolios", { name: "Before" })
    ).json()) as Portfolio;
    await system.request(subject, "GET", "/v1/portfolios");
    await system.database.query("update portfolios.portfolios set name = 'After' where id = $1", [id]);
    for (let read = 0; read < REPLICAS; read += 1) {
      const [listed] = (await (await system.request(subject, "GET", "/v1/portfolios")).json()) as Portfolio[];
      expect(listed?.name).toBe("After");
    }
  });
});
