/** Everything that a run consists of: servers, proxies, replicas, load. */
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { provisionDatabases } from "../scripts/development/databases.ts";
import { migrate } from "../services/common/database/migrate.ts";
import { migrationsOf } from "../services/migrations.ts";
import { AUDIENCE, startIssuer, type TestIssuer } from "../test/support/issuer.ts";
import { type OwnPostgres, startOwnPostgres } from "../test/support/own-postgres.ts";
import { ChaosError } from "./errors.ts";
import type { LoadFunctions } from "./load/process.ts";
import { type OwnNats, startOwnNats } from "./nats-server.ts";
import { type Proxies, startProxies } from "./proxies.ts";
import { type Remote, startRemote } from "./remote.ts";
import { logFileOf, type Replica, type ReplicaOptions, startReplica } from "./replica.ts";

export const SERVICES = ["gateway", "auth", "users", "portfolios", "accounts", "market"] as const;
export type Service = (typeof SERVICES)[number];
export const WITH_DATABASE = SERVICES.filter((service) => service !== "gateway");

const DATABASE = "butler";
export const MIN_CONNECTIONS = 2;
export const MAX_CONNECTIONS = 8;
/** Ten replicas with eight each, relays and jobs among them, and the harness's own. */
const SERVER_CONNECTIONS_MAX = 140;
const TOKEN_LIFETIME_SECONDS = 4 * 3600;
const STEADY_TIMEOUT_MS = 60_000;
/** What the processes get of this one's environment: settings of the shell must not change what is measured. */
const INHERITED = ["PATH", "HOME", "TMPDIR", "LANG"];

export interface StageOptions {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** How many replicas of each service. */
  readonly replicas: Readonly<Record<Service, number>>;
  readonly clients: number;
  readonly log: (line: string) => void;
  /** How what was started is stopped; called last first. */
  readonly keep: (stop: () => Promise<void>) => void;
}

export interface Stage {
  readonly folder: string;
  readonly nats: OwnNats;
  readonly postgres: OwnPostgres;
  /** Of the database with all schemas, as the superuser and past the proxies. */
  readonly databaseUrl: string;
  readonly issuer: TestIssuer;
  readonly proxies: Proxies;
  readonly load: Remote<LoadFunctions>;
  /** Those that run, in the order in which they were started. */
  readonly replicas: readonly Replica[];
  readonly replicasOf: (service: Service) => readonly Replica[];
  /** Starts another process where one stands or stood; the load knows a new gateway on return. */
  start(slot: string): Promise<Replica>;
  /** Takes one that has ended, or is about to, out of what runs; the balancer finds out by itself. */
  forget(replica: Replica): Promise<void>;
  /** Starts a process in each slot that has none, and waits until all are ready. */
  mend(): Promise<void>;
}

export async function startStage(options: StageOptions): Promise<Stage> {
  const { folder, keep, log, replicas: counts } = options;
  const logFolder = join(folder, "logs");
  await mkdir(logFolder, { recursive: true });
  const proxies = startProxies();
  keep(() => proxies.stop());
  const load = startRemote<LoadFunctions>(new URL("load/process.ts", import.meta.url));
  keep(() => load.stop());
  const [nats, postgres, issuer] = await Promise.all([
    startOwnNats(log),
    startOwnPostgres({ max_connections: String(SERVER_CONNECTIONS_MAX) }),
    startIssuer(),
  ]);
  keep(() => nats.stop());
  keep(() => postgres.stop());
  keep(() => issuer.stop());
  const urls = await provisionDatabases({
    adminUrl: postgres.adminUrl,
    database: DATABASE,
    services: WITH_DATABASE,
  });
  const quiet = { info: () => undefined };
  await Promise.all(
    Object.entries(migrationsOf).map(([service, migrations]) =>
      migrate({ service, url: urls[service] as string, migrations, log: quiet }),
    ),
  );

  const slots = SERVICES.flatMap((service) =>
    Array.from({ length: counts[service] }, (_, index) => ({ service, slot: `${service}-${index + 1}` })),
  );
  const shared = sharedEnvironment(options, issuer);
  const environments = new Map<string, Omit<ReplicaOptions, "logFile">>();
  for (const { service, slot } of slots) {
    const natsPort = await proxies.open("nats", slot, nats.port);
    const url = urls[service];
    const database = url && throughPort(url, await proxies.open("postgres", slot, postgres.port));
    const environment = {
      ...shared,
      NATS_URL: `nats://127.0.0.1:${natsPort}`,
      ...(database && { DATABASE_URL: database }),
      // A balancer asks ten times a second who is ready.
      SHUTDOWN_PAUSE_SECS: service === "gateway" ? "1" : "0",
    };
    environments.set(slot, { service, slot, environment });
  }
  const stage = stageOf({ environments, logFolder, load, keep });
  await stage.mend();
  const claims = { exp: Math.floor(Date.now() / 1000) + TOKEN_LIFETIME_SECONDS };
  const tokens = await Promise.all(
    Array.from({ length: options.clients }, (_, index) => issuer.token(`chaos-${index}`, { claims })),
  );
  await load.call("prepare", tokens);
  const databaseUrl = Object.assign(new URL(postgres.adminUrl), { pathname: `/${DATABASE}` }).href;
  return { ...stage, folder, nats, postgres, databaseUrl, issuer, proxies, load };
}

/** The processes that stand in the slots. */
function stageOf({
  environments,
  logFolder,
  load,
  keep,
}: {
  readonly environments: ReadonlyMap<string, Omit<ReplicaOptions, "logFile">>;
  readonly logFolder: string;
  readonly load: Remote<LoadFunctions>;
  readonly keep: StageOptions["keep"];
}) {
  const replicas: Replica[] = [];
  let started = 0;
  keep(async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
  });

  const tellGateways = () => load.call("setGateways", urlsOf(replicas));

  async function start(slot: string): Promise<Replica> {
    started += 1;
    const options = environments.get(slot) as Omit<ReplicaOptions, "logFile">;
    const replica = await startReplica({ ...options, logFile: logFileOf(logFolder, slot, started) });
    replicas.push(replica);
    if (replica.url !== undefined) await tellGateways();
    return replica;
  }

  async function forget(replica: Replica): Promise<void> {
    replicas.splice(replicas.indexOf(replica), 1);
    await replica.exited;
    if (replica.url !== undefined) await tellGateways();
  }

  return {
    replicas,
    replicasOf: (service: Service) => replicas.filter((replica) => replica.service === service),
    start,
    forget,
    async mend() {
      for (const replica of replicas.filter((each) => !each.isRunning())) await forget(replica);
      const empty = [...environments.keys()].filter((name) => !replicas.some(({ slot }) => slot === name));
      await Promise.all(empty.map(start));
      await untilAllReady(replicas, load);
    },
  };
}

function urlsOf(replicas: readonly Replica[]): string[] {
  return replicas.flatMap(({ url }) => url ?? []);
}

async function untilAllReady(replicas: readonly Replica[], load: Remote<LoadFunctions>): Promise<void> {
  const end = performance.now() + STEADY_TIMEOUT_MS;
  for (;;) {
    const reasons = (await Promise.all(replicas.map(unreadiness))).filter((reason) => reason !== undefined);
    const gateways = await load.call("readyGateways");
    if (reasons.length === 0 && gateways === urlsOf(replicas).length) return;
    if (performance.now() > end) throw new ChaosError(`Not all is ready again: ${reasons.join("; ")}`);
    await sleep(50);
  }
}

/** Why a replica is not ready; undefined when it is. */
export async function unreadiness({ slot, metricsUrl }: Replica): Promise<string | undefined> {
  try {
    const reply = await fetch(`${metricsUrl}/ready`, { signal: AbortSignal.timeout(2_000) });
    const text = await reply.text();
    return reply.ok ? undefined : `${slot}: ${text}`;
  } catch (error) {
    return `${slot}: ${(error as Error).message}`;
  }
}

function sharedEnvironment({ environment }: StageOptions, issuer: TestIssuer): Record<string, string> {
  const inherited = INHERITED.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    ...Object.fromEntries(inherited),
    NODE_COMPILE_CACHE: join(import.meta.dirname, "..", ".cache", "compile"),
    NATS_NAMESPACE: `chaos-${randomBytes(6).toString("hex")}`,
    DB_MAX_CONNECTIONS: String(MAX_CONNECTIONS),
    DB_MIN_CONNECTIONS: String(MIN_CONNECTIONS),
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: AUDIENCE,
    SERVER_HOST: "127.0.0.1",
    METRICS_HOST: "127.0.0.1",
    LOG_FORMAT: "json",
    // Short, so that auth and users are asked all the time.
    PRINCIPAL_CACHE_SECS: "1",
    // Counted, and never reached: what refuses is to be what cannot be done.
    RATE_LIMIT_REQUESTS: "100000000",
    // Nothing leaves this machine, and nothing begins on its own.
    OUTGOING_HOSTS: "nowhere.invalid",
    FETCH_ALL_COINS_ENABLED: "false",
    SCHEDULED_SYNC_ENABLED: "false",
    EOD_SNAPSHOT_ENABLED: "false",
    HOURLY_SNAPSHOT_ENABLED: "false",
    CREDENTIALS_KEYS: `chaos:${randomBytes(32).toString("base64")}`,
  };
}

function throughPort(url: string, port: number): string {
  return Object.assign(new URL(url), { port: String(port) }).href;
}
