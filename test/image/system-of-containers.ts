import { randomBytes } from "node:crypto";
import { freePort } from "../../scripts/development/processes.ts";
import { cloneDatabase } from "../support/database.ts";
import { AUDIENCE, startIssuer } from "../support/issuer.ts";
import { untilReady } from "../support/system.ts";
import { databaseUrl } from "../support/templates.ts";
import { type Container, runInContainer, startContainer } from "./container.ts";
import type { Image } from "./dockerfile.ts";

const START_TIMEOUT_MS = 60_000;

/** How the services are spread: alone, as one usually runs them; two by SERVICES; one as a user without a name. */
const SPREAD = [
  { name: "gateway", arguments: ["gateway"] },
  { name: "auth", arguments: ["auth"] },
  { name: "users and portfolios", env: { SERVICES: "users, portfolios" } },
  { name: "accounts", arguments: ["accounts"], user: "54321:54321" },
  { name: "market", arguments: ["market"] },
] as const;

export interface SystemOfContainers {
  readonly containers: readonly {
    readonly name: string;
    readonly container: Container;
    readonly metricsPort: number;
  }[];
  /** What became of the migrations. */
  readonly migrated: { readonly code: number | null; readonly output: string };
  /** A request of a user to the gateway. */
  request(method: string, path: string, body?: unknown): Promise<Response>;
  stop(): Promise<void>;
}

/** The whole system in containers of the image, over the test run's NATS and PostgreSQL, on an empty database. */
export async function startSystemOfContainers(image: Image): Promise<SystemOfContainers> {
  const [issuer, template, port] = await Promise.all([startIssuer(), cloneDatabase(), freePort()]);
  const database = `test_${randomBytes(6).toString("hex")}`;
  await template.query(`create database ${database}`);
  const shared = {
    NATS_URL: process.env.TEST_NATS_URL as string,
    NATS_NAMESPACE: `test-${randomBytes(6).toString("hex")}`,
    DATABASE_URL: databaseUrl(process.env.TEST_DATABASE_URL as string, database),
    DB_MAX_CONNECTIONS: "5",
    DB_MIN_CONNECTIONS: "1",
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: AUDIENCE,
    SERVER_PORT: String(port),
    SERVER_HOST: "127.0.0.1",
    METRICS_HOST: "127.0.0.1",
    // Nothing leaves this machine.
    FETCH_ALL_COINS_ENABLED: "false",
    SCHEDULED_SYNC_ENABLED: "false",
    CREDENTIALS_KEYS: `test:${randomBytes(32).toString("base64")}`,
  };
  const migrated = await runInContainer(image, { entrypoint: ["node", "scripts/migrate.ts"], env: shared });
  const containers = await Promise.all(
    SPREAD.map(async ({ name, ...options }) => {
      const metricsPort = await freePort();
      const own = "env" in options ? options.env : {};
      const env = { ...shared, ...own, METRICS_PORT: String(metricsPort) };
      return { name, metricsPort, container: startContainer(image, { ...options, env }) };
    }),
  );
  const token = await issuer.token("alice");

  async function stop(): Promise<void> {
    // Those that have ended already have no process 1 to stop.
    await Promise.all(containers.map(({ container }) => container.stop().catch(() => undefined)));
    await template.query(`drop database ${database} with (force)`);
    await Promise.all([issuer.stop(), template.drop()]);
  }

  try {
    await Promise.all(
      containers.map(({ name, container, metricsPort }) => {
        const ended = container.exited.then((code) => Promise.reject(new Error(`${name} ended: ${code}`)));
        return Promise.race([ended, untilReady(`http://127.0.0.1:${metricsPort}/ready`, START_TIMEOUT_MS)]);
      }),
    );
  } catch (error) {
    await stop();
    const outputs = containers.map(({ name, container }) => `${name}: ${container.output()}`);
    throw new Error([(error as Error).message, migrated.output, ...outputs].join("\n"));
  }

  return {
    containers,
    migrated,
    request: (method, path, body) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        headers: {
          Authorization: `Bearer ${token}`,
          ...(body !== undefined && { "Content-Type": "application/json" }),
        },
        body: body === undefined ? null : JSON.stringify(body),
      }),
    stop,
  };
}
