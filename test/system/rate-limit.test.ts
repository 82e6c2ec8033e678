import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { freePort } from "../../scripts/development/processes.ts";
import { type System, startSystem, untilReady } from "../support/system.ts";

// One limit, three gateways, real processes.

const LIMIT = 200;
/** As many as 2 % of the limit, and those that gateways let through before they know of each other. */
const TOLERANCE = 4;
let system: System;
let urls: string[];

beforeAll(async () => {
  system = await startSystem({
    environment: {
      RATE_LIMIT_REQUESTS: String(LIMIT),
      RATE_LIMIT_ADDRESS_REQUESTS: String(LIMIT),
      RATE_LIMIT_WINDOW_SECS: "3600",
      TRUSTED_PROXIES: "192.0.2.0/24",
    },
  });
  const ports = [await freePort(), await freePort()];
  for (const port of ports) await system.start("gateway", { SERVER_PORT: String(port) });
  urls = [system.url, ...ports.map((port) => `http://127.0.0.1:${port}`)];
  await Promise.all(urls.map((url) => untilReady(`${url}/ready`)));
}, 60_000);
afterAll(() => system?.stop());

/** Sends so many requests to each gateway, ten at once. */
async function flood(path: string, requests: number, headers: (count: number) => Record<string, string>) {
  const replies: Response[] = [];
  let count = 0;
  async function client(url: string): Promise<void> {
    for (let sent = 0; sent < requests / 10; sent += 1) {
      count += 1;
      const reply = await fetch(url + path, { headers: headers(count) });
      await reply.arrayBuffer();
      replies.push(reply);
    }
  }
  await Promise.all(urls.flatMap((url) => Array.from({ length: 10 }, () => client(url))));
  return replies;
}

const statuses = (replies: readonly Response[]) =>
  Object.fromEntries([...Map.groupBy(replies, ({ status }) => status)].map(([k, v]) => [k, v.length]));

describe("three gateways", () => {
  it("keep one user's limit together, and say so; another user goes on", async () => {
    const token = await system.issuer.token("greedy");
    const replies = await flood("/v1/portfolios", 150, () => ({ Authorization: `Bearer ${token}` }));
    const { 200: admitted = 0, 429: refused = 0 } = statuses(replies);
    expect(admitted + refused).toBe(450);
    expect(admitted).toBeGreaterThanOrEqual(LIMIT - TOLERANCE);
    expect(admitted).toBeLessThanOrEqual(LIMIT + TOLERANCE);

    const refusal = await fetch(`${urls[2]}/v1/portfolios`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    expect(refusal.status).toBe(429);
    expect(refusal.headers.get("RateLimit-Policy")).toBe(`"user";q=${LIMIT};w=3600`);
    expect(refusal.headers.get("RateLimit")).toMatch(/^"user";r=0;t=\d+$/);
    expect(Number(refusal.headers.get("Retry-After"))).toBeGreaterThan(0);
    expect(await refusal.json()).toMatchObject({ type: "/problems/rate-limited", status: 429 });

    const other = await system.request("modest", "GET", "/v1/portfolios");
    expect([other.status, other.headers.get("RateLimit")]).toEqual([
      200,
      expect.stringMatching(/^"user";r=199;t=\d+$/),
    ]);
  });

  it("count one address that brings no valid token, whatever headers and tokens it sends", async () => {
    const replies = await flood("/v1/portfolios", 150, (count) => ({
      Authorization: `Bearer ${count}`,
      "X-Forwarded-For": `198.51.100.${count % 250}`,
      Forwarded: `for=198.51.100.${count % 250}`,
      "X-Real-IP": `198.51.100.${count % 250}`,
    }));
    const { 401: admitted = 0, 429: refused = 0 } = statuses(replies);
    expect(admitted + refused).toBe(450);
    expect(admitted).toBeGreaterThanOrEqual(LIMIT - TOLERANCE);
    expect(admitted).toBeLessThanOrEqual(LIMIT + TOLERANCE);
    // Who has a valid token is not held up by others of the same address.
    expect((await system.request("neighbour", "GET", "/v1/portfolios")).status).toBe(200);
  });

  it("never refuse to say how they are", async () => {
    const replies = await flood("/health", 150, () => ({}));
    expect(statuses(replies)).toEqual({ 200: 450 });
  });
});
