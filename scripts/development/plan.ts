// What `npm start` has to run, from what the environment gives.
type Environment = Readonly<Record<string, string | undefined>>;

const withDatabase = ["auth", "users", "portfolios", "accounts", "market"];

/** The services in the order of their metrics ports, and those that may have several processes. */
export const services = ["gateway", ...withDatabase];
export const scalable = services.filter((service) => service !== "gateway");

/** The services' own default (`DB_MAX_CONNECTIONS`). */
const poolConnectionsMax = 100;
/** For migrations, the start script and people. */
const spareConnections = 20;
const serverConnectionsMin = 400;

export type Plan = {
  /** Services that need the embedded PostgreSQL. */
  databases: readonly string[];
  /** Connections that it must allow: what all pools may open together. */
  connectionsMax: number;
  nats: boolean;
  issuer: boolean;
  /** Keys that seal credentials are made and kept here. */
  credentialsKeys: boolean;
};

/** Decides which parts are embedded: those that the environment does not give. */
export function planParts(environment: Environment, replicas: Readonly<Record<string, number>>): Plan {
  const databases = withDatabase.filter(
    (service) => !isGiven(environment, `${service.toUpperCase()}_DATABASE_URL`, "DATABASE_URL"),
  );
  const pools = databases.map(
    (service) => (replicas[service] ?? 1) * connectionsOf(environment, service.toUpperCase()),
  );
  return {
    databases,
    connectionsMax: Math.max(
      serverConnectionsMin,
      pools.reduce((sum, size) => sum + size, spareConnections),
    ),
    nats: !isGiven(environment, "NATS_URL"),
    // One of them is enough to mean an outside issuer: the auth service names those that are missing.
    issuer: !isGiven(
      environment,
      "OIDC_ISSUER",
      "OIDC_AUDIENCE",
      "KEYCLOAK_SERVER",
      "KEYCLOAK_REALM",
      "KEYCLOAK_AUDIENCE",
    ),
    credentialsKeys: !isGiven(environment, "CREDENTIALS_KEYS"),
  };
}

/** The processes to run: each service in its own, as often as asked; or all in one, without NATS. */
export function planProcesses(
  replicas: Readonly<Record<string, number>>,
  withNats: boolean,
): ReadonlyArray<{ name: string; services: readonly string[]; first: boolean }> {
  if (!withNats) return [{ name: "all services", services, first: true }];
  return services.flatMap((service) =>
    Array.from({ length: replicas[service] ?? 1 }, (_, index) => ({
      name: index === 0 ? service : `${service} ${index + 1}`,
      services: [service],
      first: index === 0,
    })),
  );
}

/** An empty variable counts as absent; a secret may also come as the path of a file. */
function isGiven(environment: Environment, ...names: readonly string[]): boolean {
  return names.some((name) => environment[name] || environment[`${name}_FILE`]);
}

function connectionsOf(environment: Environment, prefix: string): number {
  const given = Number(environment[`${prefix}_DB_MAX_CONNECTIONS`] || environment.DB_MAX_CONNECTIONS);
  // A wrong value is the service's to refuse.
  return Number.isInteger(given) && given > 0 ? given : poolConnectionsMax;
}
