import {
  containerOf,
  type Document,
  labelOf,
  migrationsIn,
  ofKind,
  servicesOf,
  titleOf,
  type Workload,
  workloadsOf,
} from "../support/documents.ts";
import { settingsOf } from "../support/settings.ts";
import { autoscalerOf } from "./scaling.ts";
import { dataOf } from "./shutdown.ts";

/** For what else connects: operators, exporters, PostgreSQL's reserved ones. */
const SPARE_PERCENT = 10;
/** A migration holds a transaction, looks at its table on a second connection, installs the jobs' schema on a third. */
const CONNECTIONS_PER_MIGRATION = 3;
const ANNOTATION = "butler/postgresql-max-connections";

/** How many connections an overlay may need, and what that is made of. */
export interface Capacity {
  /** Of all pools at their largest, while every service is rolled out. */
  readonly clients: number;
  /** Of these, how many PostgreSQL sees: fewer behind PgBouncer. */
  readonly servers: number;
  readonly migrations: number;
  /** With the spare: what `max_connections` must be at least. */
  readonly needed: number;
  /** What the overlay says that it is. */
  readonly stated: number;
  /** What each PgBouncer must take, and takes. */
  readonly pooler: { readonly needed: number; readonly stated: number } | undefined;
}

/** The connections that an overlay may need. @throws when it does not say what PostgreSQL allows. */
export function capacityOf(documents: readonly Document[]): Capacity {
  const [namespace] = ofKind(documents, "Namespace");
  const stated = Number(namespace?.metadata.annotations?.[ANNOTATION]);
  if (!(stated > 0)) throw new Error(`The overlay's Namespace has no ${ANNOTATION}.`);
  const pools = servicesOf(documents).filter((service) =>
    containerOf(service).env?.some(({ name }) => name.startsWith("DATABASE_URL")),
  );
  const clients = sum(pools.map((service) => podsOf(service, documents) * poolOf(service, documents)));
  const migrations = migrationsIn(documents).length * CONNECTIONS_PER_MIGRATION;
  const pooler = workloadsOf(documents).find((workload) => labelOf(workload, "component") === "pooler");
  const ini = (name: string) =>
    Number(new RegExp(`^${name} = (\\d+)$`, "m").exec(dataOf(documents, "pgbouncer.ini"))?.[1]);
  const servers = pooler
    ? podsOf(pooler, documents) * pools.length * (ini("default_pool_size") + ini("reserve_pool_size"))
    : clients;
  return {
    clients,
    servers,
    migrations,
    needed: withSpare(servers + migrations),
    stated,
    // All clients of one, should the other be gone.
    pooler: pooler && { needed: withSpare(clients), stated: ini("max_client_conn") },
  };
}

/** All pools at their largest fit into what PostgreSQL, and PgBouncer, allow. */
export function capacityFaults(documents: readonly Document[]): string[] {
  const { needed, stated, pooler } = capacityOf(documents);
  return [
    ...(needed <= stated ? [] : [`PostgreSQL may be asked for ${needed} connections and allows ${stated}`]),
    ...(!pooler || pooler.needed <= pooler.stated
      ? []
      : [`PgBouncer may be asked for ${pooler.needed} connections and allows ${pooler.stated}`]),
  ];
}

/** The connections of one process of a service. */
export function poolOf(service: Workload, documents: readonly Document[]): number {
  const connections = Number(settingsOf(service, documents).get("DB_MAX_CONNECTIONS"));
  if (!(connections > 0))
    throw new Error(`${titleOf(service)} has no DB_MAX_CONNECTIONS: no preset is chosen.`);
  return connections;
}

/** The most pods that there are at once, the ones that are still stopping included: they have their connections, too. */
export function podsOf(workload: Workload, documents: readonly Document[]): number {
  const { replicas, strategy, minReadySeconds = 0, template } = workload.spec;
  const most = autoscalerOf(workload, documents)?.spec.maxReplicas ?? replicas ?? 1;
  const surge = strategy?.rollingUpdate?.maxSurge ?? 1;
  const grace = template.spec.terminationGracePeriodSeconds ?? 30;
  // One more begins to stop each time that a new one has been ready for so long.
  const stopping = Math.ceil(grace / Math.max(1, minReadySeconds)) * surge;
  return most + surge + stopping;
}

function withSpare(connections: number): number {
  return Math.ceil((connections * (100 + SPARE_PERCENT)) / 100);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
