import { z } from "zod";
import { type Environment, port, readSettings, text, url, variable, wholeNumber } from "./config.ts";

/** What every process has, whichever services it runs. */
export const processVariables = {
  natsUrl: variable(
    "NATS_URL",
    natsUrls().optional(),
    "NATS servers, comma separated. Without it, services reach only those of their own process.",
    { secret: true },
  ),
  namespace: variable("NATS_NAMESPACE", text("butler"), "Processes of another namespace are not seen."),
  metricsPort: variable("METRICS_PORT", port(3030), "Port of /metrics, /health and /ready of a process."),
  metricsHost: variable("METRICS_HOST", text("0.0.0.0"), "Address that they listen on."),
  logLevel: variable(
    "LOG_LEVEL",
    z
      .enum(
        ["fatal", "error", "warn", "info", "debug", "trace"],
        "must be fatal, error, warn, info, debug or trace",
      )
      .default("info"),
    "The least that is logged.",
  ),
  logFormat: variable(
    "LOG_FORMAT",
    z.enum(["json", "pretty"], "must be json or pretty").optional(),
    "json or pretty; unless set, pretty on a terminal, else json.",
  ),
  shutdownPauseSeconds: variable(
    "SHUTDOWN_PAUSE_SECS",
    wholeNumber(0, 300),
    "Between 'not ready' and the drain, so that load balancers notice (Kubernetes: 10).",
  ),
  shutdownTimeoutSeconds: variable(
    "SHUTDOWN_TIMEOUT_SECS",
    wholeNumber(20, 300),
    "For the requests in flight to end.",
  ),
} as const;

export type ProcessConfig = ReturnType<typeof readProcessConfig>;

/** @throws {ConfigurationError} naming each wrong variable. */
export function readProcessConfig(environment: Environment) {
  return readSettings(processVariables, environment);
}

function natsUrls() {
  return z
    .string()
    .transform((list) => list.split(",").map((server) => server.trim()))
    .pipe(z.array(url("nats", "tls")).max(20, "must name at most 20 servers"));
}
