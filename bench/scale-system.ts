import { startNatsServer } from "../scripts/development/nats-server.ts";
import type { Child } from "./child.ts";
import type { Stage } from "./stage.ts";
import { faultOnEnd, type Keep, newCredentialsKeys, type Replica, SERVICES, startReplica } from "./system.ts";

export type ServiceName = (typeof SERVICES)[number];

/** How many replicas of those services whose number is varied; of the others there is one each. */
export interface Replicas {
  readonly gateway: number;
  readonly portfolios: number;
}

/** The whole system, with as many replicas as are asked for. */
export interface ScaleSystem {
  /** Starts and stops replicas until there are so many. */
  setReplicas(replicas: Replicas): Promise<void>;
  /** Of the gateways. */
  urls(): readonly string[];
  processes(): readonly { readonly service: ServiceName; readonly replica: Replica }[];
  readonly natsPid: number;
  readonly applicationNames: readonly string[];
  /** Why one of its processes has ended unasked; undefined while all run. */
  fault(): string | undefined;
}

/** What works by the clock would come into some measurements and not into others. */
const NOTHING_BY_THE_CLOCK = {
  EOD_SNAPSHOT_ENABLED: "false",
  HOURLY_SNAPSHOT_ENABLED: "false",
  SCHEDULED_SYNC_ENABLED: "false",
  FETCH_ALL_COINS_ENABLED: "false",
};
/** As the preset for high traffic has it at least; the most is 20, so that four replicas fit beside everything else. */
const POOL = { DB_MAX_CONNECTIONS: "20", DB_MIN_CONNECTIONS: "5" };

/** Starts nats-server and one replica of each service. */
export async function startScaleSystem(stage: Stage, keep: Keep): Promise<ScaleSystem> {
  const nats = await startNatsServer({ binary: stage.natsBinary });
  keep(() => nats.stop());
  const natsFault = faultOnEnd("nats-server", nats.exited);
  const credentialsKeys = newCredentialsKeys();
  const running = new Map<ServiceName, Replica[]>(SERVICES.map((service) => [service, []]));
  const children: Child[] = [];
  let started = 0;

  async function add(service: ServiceName): Promise<void> {
    started += 1;
    const replica = await startReplica({
      service,
      name: `${service}-${started}`,
      natsUrl: nats.url,
      issuerUrl: stage.issuer.url,
      environment: stage.environment,
      logFolder: stage.folder,
      databaseUrl: stage.databaseUrls[service],
      credentialsKeys,
      settings: { ...NOTHING_BY_THE_CLOCK, ...POOL },
      preload: new URL("scale-probe.ts", import.meta.url).href,
    });
    keep(() => replica.child.stop());
    children.push(replica.child);
    running.get(service)?.push(replica);
  }

  async function setCount(service: ServiceName, count: number): Promise<void> {
    const replicas = running.get(service) ?? [];
    // One after the other: the first of a service applies its migrations.
    while (replicas.length < count) await add(service);
    for (const replica of replicas.splice(count)) await replica.child.stop();
  }

  // Each is ready once it has seen those that it uses, so they start side by side.
  await Promise.all(SERVICES.map((service) => setCount(service, 1)));
  return {
    async setReplicas(replicas) {
      await setCount("portfolios", replicas.portfolios);
      await setCount("gateway", replicas.gateway);
    },
    urls: () => (running.get("gateway") ?? []).map(({ url }) => url),
    processes: () =>
      [...running].flatMap(([service, replicas]) => replicas.map((replica) => ({ service, replica }))),
    natsPid: nats.pid,
    applicationNames: Object.keys(stage.databaseUrls),
    fault: () =>
      [natsFault, ...children.map(({ fault }) => fault)].map((fault) => fault()).find((fault) => fault),
  };
}
