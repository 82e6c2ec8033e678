import { readProcessConfig } from "../../../services/common/broker-config.ts";
import type { Environment, Variable } from "../../../services/common/config.ts";
import {
  filesBehind,
  loadService,
  moduleOf,
  processVariables,
  serviceNames,
  variablesIn,
} from "../support/code.ts";
import {
  containerOf,
  type Document,
  migrationsIn,
  servicesOf,
  titleOf,
  type Workload,
} from "../support/documents.ts";
import { type Given, givenTo } from "../support/settings.ts";

/** Node's own, and what Kubernetes knows of a pod. */
const RUNTIME = new Set(["NODE_COMPILE_CACHE"]);
/** Values that could be a secret's, for reading the settings as the process does. */
const STAND_INS: Environment = {
  NATS_URL: "nats://service:password@nats:4222",
  DATABASE_URL: "postgres://service:password@postgresql/butler",
  CREDENTIALS_KEYS: `k1:${Buffer.alloc(32).toString("base64")}`,
};

/**
 * Every variable that the code of a process reads is given to its container, and none that it does not read; secrets
 * from a Secret and nothing else from one; and the service takes the values.
 */
export async function settingsFaults(documents: readonly Document[]): Promise<string[]> {
  const everywhere = await processVariables();
  const services = servicesOf(documents);
  const missing = serviceNames.filter(
    (name) => !services.some((service) => containerOf(service).args?.join() === name),
  );
  const faults = missing.map((name) => `There is no Deployment of ${name}`);
  for (const service of services) {
    const [name = ""] = containerOf(service).args ?? [];
    if (!serviceNames.includes(name)) {
      faults.push(`${titleOf(service)}: there is no service ${name}`);
      continue;
    }
    const own = await variablesIn(filesBehind(moduleOf(name)));
    const given = givenTo(service, documents);
    faults.push(
      ...faultsOf(service, given, new Map([...everywhere, ...own])),
      ...(await readingFaults(service, given)),
    );
  }
  const migrating = await variablesIn(filesBehind("scripts/migrate.ts"));
  for (const job of migrationsIn(documents)) {
    const required = [...migrating].filter(([, variable]) => isRequired(variable));
    faults.push(...faultsOf(job, givenTo(job, documents), migrating, new Map(required)));
  }
  return faults;
}

/** @param wanted which of them must be given, all unless stated. */
function faultsOf(
  workload: Workload,
  given: readonly Given[],
  known: ReadonlyMap<string, Variable>,
  wanted = known,
): string[] {
  const named = new Map(given.map((each) => [each.name, each]));
  const faults: string[] = [];
  for (const { name, value, secret } of given) {
    const variable = known.get(name);
    if (!variable && !RUNTIME.has(name)) faults.push(`${name} is given, and nobody reads it`);
    if (variable?.secret && !secret) faults.push(`${name} is a secret, but not from a Secret`);
    if (secret && !variable?.secret) faults.push(`${name} comes from a Secret, but is none`);
    if (secret && secret.name !== workload.metadata.name.replace("-migration", ""))
      faults.push(`${name} comes from the Secret ${secret.name}`);
    if (variable && isRequired(variable) && (secret ? secret.optional : !value))
      faults.push(`${name} is required, but need not be there`);
  }
  for (const name of wanted.keys()) if (!named.has(name)) faults.push(`${name} is not given`);
  return faults.map((fault) => `${titleOf(workload)}: ${fault}`);
}

function isRequired({ schema }: Variable): boolean {
  return !schema.safeParse(undefined).success;
}

/** What the service itself says to the values. */
async function readingFaults(service: Workload, given: readonly Given[]): Promise<string[]> {
  const [name = ""] = containerOf(service).args ?? [];
  const environment = Object.fromEntries(
    given.map(({ name, value, secret }) => [name, secret ? STAND_INS[name] : value]),
  );
  const open = await loadService(name);
  try {
    readProcessConfig(environment);
    open(environment);
    return [];
  } catch (error) {
    return [`${titleOf(service)}: ${(error as Error).message}`];
  }
}
