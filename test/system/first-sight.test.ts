import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type System, startSystem } from "../support/system.ts";

let system: System;

beforeAll(async () => {
  // No principal is remembered, so that every request goes the whole way to users.
  system = await startSystem({ replicas: { auth: 2, users: 3 }, environment: { PRINCIPAL_CACHE_SECS: "0" } });
});
afterAll(() => system.stop());

/** Processes that have just started may find so many at once too many; clients then come again. */
async function patiently(token: string): Promise<Response> {
  for (let attempt = 1; ; attempt += 1) {
    const reply = await fetch(`${system.url}/v1/me`, { headers: { Authorization: `Bearer ${token}` } });
    if (reply.status !== 503 || attempt === 5) return reply;
    await delay(Number(reply.headers.get("Retry-After")) * 1_000);
  }
}

describe("a user's first request", () => {
  it("creates one user and succeeds, 200 times at once over several replicas", async () => {
    const subject = `new-${randomUUID()}`;
    // Distinct tokens of one user, so that the gateway cannot fold their checks into one.
    const tokens = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        system.issuer.token(subject, { claims: { jti: `${index}` } }),
      ),
    );
    const replies = await Promise.all(tokens.map((token) => patiently(token)));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    const ids = await Promise.all(replies.map(async (reply) => ((await reply.json()) as { id: string }).id));
    expect(new Set(ids).size).toBe(1);
    const rows = await system.database.query("select user_id from users.identities where subject = $1", [
      subject,
    ]);
    expect(rows).toEqual([{ user_id: ids[0] }]);
    expect(await system.database.query("select id from users.users")).toEqual([{ id: ids[0] }]);
  });

  it("creates one default portfolio when 50 first portfolios arrive at once", async () => {
    const subject = `new-${randomUUID()}`;
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        system.request(subject, "POST", "/v1/portfolios", { name: `${index}` }),
      ),
    );
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([201]));
    const portfolios = (await Promise.all(replies.map((reply) => reply.json()))) as { is_default: boolean }[];
    expect(portfolios.filter(({ is_default }) => is_default)).toHaveLength(1);
  });
});
