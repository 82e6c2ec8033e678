import { Agent, type IncomingMessage, request as sendRequest } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type System, startSystem } from "../support/system.ts";

const MAX_CONCURRENT_REQUESTS = 100;
/** A route has half of all room, and one caller half of that. */
const CALLER_SHARE = MAX_CONCURRENT_REQUESTS / 4;
const ASKED = 60;

let system: System;
const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });

beforeAll(async () => {
  system = await startSystem({
    environment: { MAX_CONCURRENT_REQUESTS: String(MAX_CONCURRENT_REQUESTS), DB_MIN_CONNECTIONS: "3" },
  });
}, 120_000);
afterAll(async () => {
  agent.destroy();
  await system.stop();
});

/** A reply whose head is there; its body is not read. */
function ask(path: string, token: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { Authorization: `Bearer ${token}` };
    sendRequest(system.url + path, { headers, agent }, resolve)
      .on("error", reject)
      .end();
  });
}

async function textOf(reply: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of reply.setEncoding("utf8")) text += chunk;
  return text;
}

describe("a reply of many pages", () => {
  it("has its caller's room to its end, so that nobody has more of them under way than of others", async () => {
    const token = await system.issuer.token("greedy");
    for (const subject of ["greedy", "modest"]) await system.request(subject, "GET", "/v1/me");
    // The first page is there; those of portfolios are not.
    const release = await system.database.lock("portfolios.portfolios");
    let replies: IncomingMessage[] = [];
    try {
      replies = await Promise.all(Array.from({ length: ASKED }, () => ask("/v1/me/export", token)));
      const begun = replies.filter(({ statusCode }) => statusCode === 200);
      expect(begun.length).toBeGreaterThan(0);
      expect(begun.length).toBeLessThanOrEqual(CALLER_SHARE);
      const refused = replies.filter((reply) => !begun.includes(reply));
      for (const { statusCode, headers } of refused) {
        expect([statusCode, headers["retry-after"]]).toEqual([503, "1"]);
      }
      expect((await system.request("modest", "GET", "/v1/me")).status).toBe(200);
    } finally {
      await release();
    }
    const texts = await Promise.all(replies.filter(({ statusCode }) => statusCode === 200).map(textOf));
    for (const text of texts)
      expect(JSON.parse(text)).toContainEqual(expect.objectContaining({ kind: "user" }));
    for (const reply of replies) reply.resume();
    // And then it is free again.
    await pause(1_100);
    const again = await ask("/v1/me/export", token);
    expect(again.statusCode).toBe(200);
    await textOf(again);
  });
});
