// The whole system on one machine: infrastructure and services, each in a process of its own.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { credentialsKeysFile } from "./credentials-keys.ts";
import { webClient } from "./development-grant.ts";
import { type Infrastructure, startInfrastructure } from "./infrastructure-client.ts";
import { type Plan, planParts, planProcesses } from "./plan.ts";
import { isPortFree } from "./processes.ts";
import { type ServiceProcess, startServiceProcess } from "./service-process.ts";

export type SystemOptions = {
  /** The checkout. */
  root: string;
  /** Where the gateway will serve. */
  url: string;
  environment: NodeJS.ProcessEnv;
  replicas: Readonly<Record<string, number>>;
  log: (line: string) => void;
  /** Called with all processes whenever one was added. */
  onProcesses: (pids: readonly number[]) => void;
};

/** What runs, for the words at the end of the start. */
export type Started = {
  /** The development issuer's address; undefined when the issuer is an outside one. */
  issuer?: string;
  postgresPort?: number;
  metrics: ReadonlyArray<{ name: string; port: number }>;
};

export type System = {
  /** Resolves when everything serves; never rejects. */
  started: Promise<Started>;
  /** Resolves with the reason when a part ends unasked or does not get ready. */
  failed: Promise<string>;
  /** Gateway, then services, then infrastructure. */
  stop(): Promise<void>;
  /** Ends the services at once. */
  kill(): void;
};

const readyTimeoutMs = 60_000;
const metricsPortsTried = 1_000;

/** Starts everything that the environment does not give. */
export function startSystem(options: SystemOptions): System {
  const plan = planParts(options.environment, options.replicas);
  const infrastructure = startInfrastructure({
    parts: partsOf(plan, options),
    environment: { ...options.environment, ...compileCache(options.root) },
    log: options.log,
  });
  const processes: ServiceProcess[] = [];
  const failure = Promise.withResolvers<string>();
  void infrastructure.failed.then(failure.resolve);
  let stopping = false;

  const start = (name: string, services: readonly string[], port: number, environment: NodeJS.ProcessEnv) => {
    if (stopping) throw new Error("The start was broken off");
    const { root } = options;
    const service = startServiceProcess({ root, name, services, metricsPort: port, environment });
    void service.ended.then((how) => {
      if (!stopping) failure.resolve(`${name} (process ${service.pid}) ended with ${how}`);
    });
    processes.push(service);
    const pids = processes.map(({ pid }) => pid);
    infrastructure.watch(pids);
    options.onProcesses([...infrastructure.pids, ...pids]);
    return service;
  };
  const started = startServices(options, plan, infrastructure, start).catch((error: Error) => {
    failure.resolve(error.message);
    return new Promise<never>(() => {});
  });

  return {
    started,
    failed: failure.promise,
    stop: async () => {
      stopping = true;
      // Requests that the gateway has accepted still need the others.
      await processes.find(({ name }) => name === "gateway")?.stop();
      await Promise.all(processes.map((service) => service.stop()));
      await infrastructure.stop();
    },
    kill: () => {
      for (const service of processes) service.kill();
    },
  };
}

function partsOf(plan: Plan, { root, environment }: SystemOptions) {
  const data = join(root, ".data");
  const { databases, connectionsMax } = plan;
  return {
    environment: environment.NODE_ENV,
    ...(databases.length > 0
      ? {
          postgres: {
            folder: join(data, "postgres"),
            database: "butler",
            services: databases,
            connectionsMax,
          },
        }
      : {}),
    ...(plan.nats ? { nats: { cacheFolder: join(root, ".cache", "nats-server") } } : {}),
    ...(plan.issuer ? { issuer: { folder: join(data, "issuer") } } : {}),
  };
}

/** Node keeps compiled modules there, which saves most of a later start's time. */
function compileCache(root: string): NodeJS.ProcessEnv {
  return { NODE_COMPILE_CACHE: join(root, ".cache", "compile") };
}

type Start = (
  name: string,
  services: readonly string[],
  port: number,
  environment: NodeJS.ProcessEnv,
) => ServiceProcess;

async function startServices(
  options: SystemOptions,
  plan: Plan,
  infrastructure: Infrastructure,
  start: Start,
): Promise<Started> {
  const nats = plan.nats ? await infrastructure.nats : undefined;
  const local = plan.nats && nats?.url === undefined;
  if (local) announceLocalBus(options);
  const common = {
    ...options.environment,
    SERVER_HOST: options.environment.SERVER_HOST || "127.0.0.1",
    METRICS_HOST: options.environment.METRICS_HOST || "127.0.0.1",
    ...(nats?.url === undefined ? {} : { NATS_URL: nats.url }),
    ...compileCache(options.root),
  };
  const ports = freeMetricsPorts(Number(options.environment.METRICS_PORT || 3030), common.METRICS_HOST);
  const firstReady = new Map<string, Promise<void>>();
  const metrics: Array<{ name: string; port: number }> = [];
  const all: Promise<void>[] = [];
  for (const { name, services, first } of planProcesses(options.replicas, !local)) {
    const port = (await ports.next()).value as number;
    metrics.push({ name, port });
    const begin = async () => {
      const given = await settingsOf(services, plan, infrastructure, options.root);
      // The first one migrates; the others find the tables there.
      if (!first) await firstReady.get(services[0] ?? "");
      const migrate = first ? { MIGRATE_ON_START: "true" } : {};
      await readyInTime(start(name, services, port, { ...common, ...given, ...migrate }));
    };
    const ready = begin();
    if (first) firstReady.set(services[0] ?? "", ready);
    all.push(ready);
    // Promise.all below hears of a failure; this is for those that fail before it looks.
    ready.catch(() => {});
  }
  await Promise.all(all);
  await gatewayReady(options.url);
  const issuer = plan.issuer ? (await infrastructure.issuer).issuer : undefined;
  const postgresPort = plan.databases.length > 0 ? (await infrastructure.postgres).port : undefined;
  return {
    metrics,
    ...(issuer === undefined ? {} : { issuer }),
    ...(postgresPort === undefined ? {} : { postgresPort }),
  };
}

function announceLocalBus({ replicas, log }: SystemOptions): void {
  const wish = Object.keys(replicas)[0];
  const advice = "put a nats-server on PATH, or set NATS_URL to one that runs";
  if (wish !== undefined)
    throw new Error(`--replicas ${wish} needs NATS, and no nats-server can be had: ${advice}`);
  log(`no nats-server can be had, so all services run in one process without NATS (otherwise: ${advice})`);
}

/** What the embedded parts have for these services; waits for the parts that they need, and for no others. */
async function settingsOf(
  services: readonly string[],
  plan: Plan,
  infrastructure: Infrastructure,
  root: string,
): Promise<NodeJS.ProcessEnv> {
  const settings: NodeJS.ProcessEnv = {};
  if (plan.credentialsKeys && services.includes("accounts")) {
    settings.CREDENTIALS_KEYS_FILE = await credentialsKeysFile(join(root, ".data"));
  }
  if (plan.issuer && services.includes("auth")) {
    const { issuer, audience } = await infrastructure.issuer;
    Object.assign(settings, { OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience, OIDC_CLIENT_ID: webClient });
  }
  for (const service of services.filter((name) => plan.databases.includes(name))) {
    const { databases } = await infrastructure.postgres;
    settings[`${service.toUpperCase()}_DATABASE_URL`] = databases[service];
  }
  return settings;
}

async function readyInTime(service: ServiceProcess): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(
      new Error(`${service.name} (process ${service.pid}) was not ready within ${readyTimeoutMs / 1000} s`),
    );
  }, readyTimeoutMs);
  await Promise.race([service.ready, promise]).finally(() => clearTimeout(timer));
}

/** Each process serves by now; the gateway is ready when it has heard of the others, too. */
async function gatewayReady(url: string): Promise<void> {
  const deadline = performance.now() + readyTimeoutMs;
  let answer = "no answer";
  while (performance.now() < deadline) {
    const signal = AbortSignal.timeout(2_000);
    const response = await fetch(`${url}/ready`, { signal }).catch((error: Error) => error);
    if (response instanceof Response && response.ok) return;
    answer = response instanceof Response ? await response.text() : response.message;
    await sleep(50);
  }
  throw new Error(`The gateway was not ready within ${readyTimeoutMs / 1000} s: ${answer}`);
}

async function* freeMetricsPorts(from: number, host: string): AsyncGenerator<number, never> {
  for (let port = from; port < from + metricsPortsTried; port++) {
    if (await isPortFree(port, host)) yield port;
  }
  throw new Error(`No free port for metrics from ${from} on: set METRICS_PORT to where there are some`);
}
