import { hearersOf } from "../../../services/common/events/hearers.ts";
import { contracts } from "../../../services/gateway/contracts.ts";
import { migrationsOf } from "../../../services/migrations.ts";
import { cloneDatabase } from "../../support/database.ts";
import { startIssuer } from "../../support/issuer.ts";
import { filesBehind, loadService, moduleOf, serviceNames, sourceOf } from "./code.ts";

/** Who depends on what, as the services say it. */
export interface Graph {
  readonly services: readonly string[];
  /** Whose actions each service calls: those that it `uses`, and those that hear its events. */
  readonly calls: ReadonlyMap<string, readonly string[]>;
  /** Those that tell events, to whoever listens on NATS. */
  readonly tellers: readonly string[];
  /** Those that own a schema. */
  readonly withDatabase: readonly string[];
  /** Those that send requests over HTTP; `auth` to the token issuer only. */
  readonly leaving: readonly string[];
}

/** Opens each service, on a database of its own, and reads what it says that it uses. */
export async function readGraph(): Promise<Graph> {
  const hearers = hearersOf(contracts);
  const [database, issuer] = await Promise.all([cloneDatabase(), startIssuer()]);
  const environment = {
    DATABASE_URL: database.url,
    DB_MAX_CONNECTIONS: "2",
    DB_MIN_CONNECTIONS: "1",
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: "any",
    CREDENTIALS_KEYS: `any:${Buffer.alloc(32).toString("base64")}`,
  };
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const calls = new Map<string, readonly string[]>();
  try {
    for (const name of serviceNames) {
      const open = (await loadService(name))(environment);
      const { uses = [], close } = await open(silent, async () => undefined, hearers);
      await close?.();
      const heard = [...hearers]
        .filter(([event]) => event.startsWith(`${name}.`))
        .flatMap(([, actions]) => actions);
      const called = new Set([...uses, ...heard.map((action) => action.split(".")[0] as string)]);
      called.delete(name);
      calls.set(name, [...called].sort());
    }
  } finally {
    await Promise.all([database.drop(), issuer.stop()]);
  }
  return {
    services: [...serviceNames].sort(),
    calls,
    // The gateway tells all of them whose client has left.
    tellers: [
      "gateway",
      ...contracts.filter(({ events }) => Object.keys(events ?? {}).length > 0).map(({ name }) => name),
    ],
    withDatabase: Object.keys(migrationsOf),
    leaving: serviceNames.filter(leaves),
  };
}

/** Whether a service's code sends HTTP requests. */
function leaves(name: string): boolean {
  return [...filesBehind(moduleOf(name))].some((file) =>
    /(?<![.\w])fetch\(|\/common\/outgoing\/|\bhttps?\.request\(/.test(sourceOf(file)),
  );
}
