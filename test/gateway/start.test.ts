import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { freePort } from "../../scripts/development/processes.ts";
import { readGatewayConfig } from "../../services/gateway/config.ts";
import { startReplica } from "../support/system.ts";

const occupant = createServer();
let occupied: number;

beforeAll(async () => {
  occupied = await freePort();
  await new Promise<void>((resolve) => occupant.listen(occupied, "127.0.0.1", resolve));
});
afterAll(() => new Promise((resolve) => occupant.close(resolve)));

describe("the gateway", () => {
  it.each([
    [
      "a port that is taken",
      () => ({ SERVER_HOST: "127.0.0.1", SERVER_PORT: String(occupied) }),
      "EADDRINUSE",
    ],
    [
      "an address of another machine",
      () => ({ SERVER_HOST: "192.0.2.1", SERVER_PORT: "0" }),
      "EADDRNOTAVAIL",
    ],
  ])("stops at its start for %s, naming the settings", async (_, settings, reason) => {
    const start = startReplica("gateway", { METRICS_HOST: "127.0.0.1", ...settings() });
    const { message } = await start.then(
      () => new Error("it started"),
      (error: Error) => error,
    );
    expect(message).toMatch(
      new RegExp(`SERVER_PORT ${settings().SERVER_PORT} .*cannot be opened: .*${reason}`),
    );
    expect(message).not.toMatch(/\n\s+at /);
  });
});

describe("readGatewayConfig", () => {
  it.each([
    ["SERVER_PORT", "65536"],
    ["SERVER_PORT", "http"],
    ["REQUEST_TIMEOUT_MS", "0"],
    ["PRINCIPAL_CACHE_SECS", "-1"],
    ["API_PUBLIC_URL", "api.example"],
  ])("refuses %s=%s, naming it", (name, value) => {
    expect(() => readGatewayConfig({ [name]: value })).toThrow(
      new RegExp(`^${name} must be .*, but is "${value}"\\.$`),
    );
  });

  it("has a default for everything", () => {
    expect(readGatewayConfig({})).toEqual({
      port: 3000,
      host: "0.0.0.0",
      publicUrl: undefined,
      requestTimeoutMs: 35_000,
      principalCacheSeconds: 60,
      userLimit: 6_000,
      addressLimit: 6_000,
      windowSeconds: 60,
      trustedProxies: [],
      maxConcurrentRequests: 2_000,
      maxConnections: 10_000,
    });
  });
});
