import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { startNatsServer } from "../scripts/development/nats-server.ts";
import { freePort } from "../scripts/development/processes.ts";
import { type Child, startChild } from "./child.ts";
import { AUDIENCE } from "./issuer.ts";

/** The size of the peer's pool and of each of our services' pools. */
const POOL_SIZE = 100;
export const SERVICES = ["auth", "users", "portfolios", "accounts", "market", "gateway"] as const;

export type SystemName = "ours" | "peer";

/** A system to be measured: where it listens, what it consists of, how its connections are called in PostgreSQL. */
export interface System {
  readonly name: SystemName;
  readonly url: string;
  readonly processes: readonly { readonly name: string; readonly pid: number }[];
  readonly applicationNames: readonly string[];
  /** Why one of its processes has ended unasked; undefined while all run. */
  fault(): string | undefined;
}

/** How something that was started is stopped; called last first. */
export type Keep = (stop: () => Promise<void>) => void;

/** Why a server has ended, from the promise of its last words; undefined while it runs. */
export function faultOnEnd(name: string, exited: Promise<string>): () => string | undefined {
  let fault: string | undefined;
  void exited.then((words) => {
    fault = `${name} has ended. Its last words:\n${words}`;
  });
  return () => fault;
}

/** What both systems are started with. */
export interface SharedOptions {
  readonly issuerUrl: string;
  /** What any process needs from its environment; the settings come on top. */
  readonly environment: Readonly<Record<string, string>>;
  readonly logFolder: string;
  readonly keep: Keep;
}

export interface OursOptions extends SharedOptions {
  readonly natsBinary: string;
  readonly databaseUrls: Readonly<Record<string, string>>;
}

/** A process of ours that runs one service. */
export interface Replica {
  readonly child: Child;
  /** Where it listens, if it is a gateway. */
  readonly url: string;
  readonly metricsUrl: string;
}

export interface ReplicaOptions extends Omit<SharedOptions, "keep"> {
  readonly service: string;
  /** Unless it is called as its service. */
  readonly name?: string;
  readonly natsUrl: string;
  readonly databaseUrl: string | undefined;
  readonly credentialsKeys: string;
  /** Settings beside those that the bench needs. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly preload?: string;
}

/** A key that seals credentials; there are none. */
export function newCredentialsKeys(): string {
  return `bench:${randomBytes(32).toString("base64")}`;
}

/** Starts one service in a process of its own; resolves when it is ready, having seen those that it uses. */
export async function startReplica(options: ReplicaOptions): Promise<Replica> {
  const { service, databaseUrl } = options;
  const [serverPort, metricsPort] = [await freePort(), await freePort()];
  const child = await startChild({
    name: options.name ?? service,
    module: fileURLToPath(new URL("../services/main.ts", import.meta.url)),
    arguments: [service],
    logFolder: options.logFolder,
    ...(options.preload && { preload: options.preload }),
    environment: {
      ...options.environment,
      NATS_URL: options.natsUrl,
      OIDC_ISSUER: options.issuerUrl,
      OIDC_AUDIENCE: AUDIENCE,
      SERVER_HOST: "127.0.0.1",
      SERVER_PORT: String(serverPort),
      METRICS_HOST: "127.0.0.1",
      METRICS_PORT: String(metricsPort),
      LOG_FORMAT: "json",
      CREDENTIALS_KEYS: options.credentialsKeys,
      MIGRATE_ON_START: "true",
      // Counted, and never reached.
      RATE_LIMIT_REQUESTS: "100000000",
      RATE_LIMIT_ADDRESS_REQUESTS: "100000000",
      DB_MAX_CONNECTIONS: String(POOL_SIZE),
      ...(databaseUrl && { DATABASE_URL: databaseUrl }),
      ...options.settings,
    },
  });
  return {
    child,
    url: `http://127.0.0.1:${serverPort}`,
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
  };
}

/** Starts all services as `npm start` does, each in a process of its own, over a real nats-server. */
export async function startOurs({ natsBinary, databaseUrls, keep, ...shared }: OursOptions): Promise<System> {
  const nats = await startNatsServer({ binary: natsBinary });
  keep(() => nats.stop());
  const natsFault = faultOnEnd("nats-server", nats.exited);
  const credentialsKeys = newCredentialsKeys();
  // Each is ready once it has seen those that it uses, so they start side by side.
  const replicas = await Promise.all(
    SERVICES.map(async (service) => {
      const databaseUrl = databaseUrls[service];
      const replica = await startReplica({
        ...shared,
        service,
        natsUrl: nats.url,
        databaseUrl,
        credentialsKeys,
      });
      keep(() => replica.child.stop());
      return replica;
    }),
  );
  const children = replicas.map(({ child }) => child);
  return {
    name: "ours",
    url: (replicas[SERVICES.indexOf("gateway")] as Replica).url,
    processes: [...children, { name: "nats-server", pid: nats.pid }],
    applicationNames: Object.keys(databaseUrls),
    fault: () =>
      [natsFault, ...children.map(({ fault }) => fault)].map((fault) => fault()).find((fault) => fault),
  };
}

export interface PeerOptions extends SharedOptions {
  readonly databaseUrl: string;
}

export async function startPeer({
  issuerUrl,
  environment,
  databaseUrl,
  logFolder,
  keep,
}: PeerOptions): Promise<System> {
  const port = await freePort();
  const child = await startChild({
    name: "peer",
    module: fileURLToPath(new URL("peer.ts", import.meta.url)),
    logFolder,
    environment: {
      ...environment,
      PEER_PORT: String(port),
      PEER_DATABASE_URL: databaseUrl,
      PEER_MAX_CONNECTIONS: String(POOL_SIZE),
      PEER_ISSUER: issuerUrl,
      PEER_AUDIENCE: AUDIENCE,
    },
  });
  keep(() => child.stop());
  return {
    name: "peer",
    url: `http://127.0.0.1:${port}`,
    processes: [child],
    applicationNames: ["bench-peer"],
    fault: () => child.fault(),
  };
}
