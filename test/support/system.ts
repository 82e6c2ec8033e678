import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { freePort } from "../../scripts/development/processes.ts";
import { checkReplies } from "./checked-replies.ts";
import { cloneDatabase, type TestDatabase } from "./database.ts";
import { AUDIENCE, startIssuer, type TestIssuer } from "./issuer.ts";

const MAIN = fileURLToPath(new URL("../../services/main.ts", import.meta.url));
/** Node keeps compiled modules there: many processes load the same ones. */
const COMPILE_CACHE = fileURLToPath(new URL("../../.cache/compile", import.meta.url));
/** Several processes start at once, on a machine that may be busy with other tests. */
const START_TIMEOUT_MS = 40_000;

/** A running process of one service. */
export interface Replica {
  readonly service: string;
  readonly process: ChildProcess;
  /** Where its /metrics, /health and /ready are. */
  readonly metricsUrl: string;
  /** What it has written to its standard output and error so far. */
  readonly output: () => string;
  /** Ends it as an operator would; answers its exit code. */
  stop(): Promise<number | null>;
}

export interface System {
  /** The gateway's HTTP API. */
  readonly url: string;
  readonly issuer: TestIssuer;
  readonly database: TestDatabase;
  readonly replicas: readonly Replica[];
  /** Starts one more replica of a service. */
  start(service: string, environment?: Readonly<Record<string, string>>): Promise<Replica>;
  /** A request of a user (by the subject of their token), or without a token when it is undefined. */
  request(subject: string | undefined, method: string, path: string, body?: unknown): Promise<Response>;
  stop(): Promise<void>;
}

export interface SystemOptions {
  /** How many processes of each service; one each unless stated. */
  readonly replicas?: Readonly<Record<string, number>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** The gateway's port, where somebody must know it before; else any that is free. */
  readonly port?: number;
}

/** The whole system in real processes over the test run's nats-server, on a database and a namespace of its own. */
export async function startSystem(options: SystemOptions = {}): Promise<System> {
  const { replicas = {}, environment = {} } = options;
  const [issuer, database, port] = await Promise.all([
    startIssuer(),
    cloneDatabase(),
    options.port ?? freePort(),
  ]);
  const started: Replica[] = [];
  const shared = {
    NATS_URL: process.env.TEST_NATS_URL as string,
    NATS_NAMESPACE: `test-${randomBytes(6).toString("hex")}`,
    DATABASE_URL: database.url,
    DB_MAX_CONNECTIONS: "10",
    DB_MIN_CONNECTIONS: "2",
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: AUDIENCE,
    SERVER_HOST: "127.0.0.1",
    METRICS_HOST: "127.0.0.1",
    // Nothing leaves, and nothing begins on its own; what tests these says so.
    OUTGOING_HOSTS: "nowhere.invalid",
    FETCH_ALL_COINS_ENABLED: "false",
    SCHEDULED_SYNC_ENABLED: "false",
    EOD_SNAPSHOT_ENABLED: "false",
    HOURLY_SNAPSHOT_ENABLED: "false",
    // Tests make more requests than people do.
    RATE_LIMIT_REQUESTS: "1000000",
    RATE_LIMIT_ADDRESS_REQUESTS: "1000000",
    CREDENTIALS_KEYS: `test:${randomBytes(32).toString("base64")}`,
    ...environment,
  };
  const tokens = new Map<string, Promise<string>>();
  const url = `http://127.0.0.1:${port}`;
  checkReplies(url);

  const system: System = {
    url,
    issuer,
    database,
    replicas: started,
    async start(service, own = {}) {
      const gatewayPort = service === "gateway" ? { SERVER_PORT: String(port) } : {};
      const replica = await startReplica(service, { ...shared, ...gatewayPort, ...own });
      started.push(replica);
      return replica;
    },
    async request(subject, method, path, body) {
      const headers = new Headers();
      if (subject !== undefined) {
        if (!tokens.has(subject)) tokens.set(subject, issuer.token(subject));
        headers.set("Authorization", `Bearer ${await tokens.get(subject)}`);
      }
      if (body !== undefined) headers.set("Content-Type", "application/json");
      return fetch(system.url + path, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
      });
    },
    async stop() {
      await Promise.all(started.map((replica) => replica.stop()));
      await Promise.all([issuer.stop(), database.drop()]);
    },
  };
  const services = ["gateway", "auth", "users", "portfolios", "accounts", "market"];
  const starts = services.flatMap((service) =>
    Array.from({ length: replicas[service] ?? 1 }, () => system.start(service)),
  );
  const failed = (await Promise.allSettled(starts)).find((start) => start.status === "rejected");
  if (failed) {
    await system.stop();
    throw failed.reason;
  }
  await untilReady(`${system.url}/ready`);
  return system;
}

/** Another test may have taken a port that was free a moment ago. */
const PORT_TAKEN = /METRICS_PORT \d+ cannot be opened/;
const MAX_PORTS_TRIED = 3;

/** Starts one process of `services/main.ts` and waits until it says that it is ready. */
export async function startReplica(
  service: string,
  environment: Readonly<Record<string, string>>,
): Promise<Replica> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await tryReplica(service, environment);
    } catch (error) {
      if (tried === MAX_PORTS_TRIED || !PORT_TAKEN.test((error as Error).message)) throw error;
    }
  }
}

async function tryReplica(service: string, environment: Readonly<Record<string, string>>): Promise<Replica> {
  const metricsPort = await freePort();
  const child = fork(MAIN, [service], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      METRICS_PORT: String(metricsPort),
      ...environment,
    },
    execArgv: [],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  const ready = once(child, "message", { signal: AbortSignal.timeout(START_TIMEOUT_MS) });
  const exited = once(child, "exit").then(() => {
    throw new Error(`${service} ended before it was ready:\n${output}`);
  });
  exited.catch(() => undefined);
  await Promise.race([ready, exited]);
  return {
    service,
    process: child,
    metricsUrl: `http://127.0.0.1:${metricsPort}`,
    output: () => output,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      const exit = once(child, "exit");
      child.kill("SIGCONT");
      child.kill("SIGTERM");
      await exit;
      return child.exitCode;
    },
  };
}

/** Waits until an address answers 200. */
export async function untilReady(url: string, timeoutMs = START_TIMEOUT_MS): Promise<void> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const status = await fetch(url).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200) return;
    if (Date.now() > end)
      throw new Error(`${url} was not ready within ${timeoutMs} ms (last status ${status})`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
