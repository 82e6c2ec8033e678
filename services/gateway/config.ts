import {
  type Environment,
  port,
  positiveInteger,
  readSettings,
  text,
  url,
  variable,
  wholeNumber,
} from "../common/config.ts";

export const gatewayVariables = {
  port: variable("SERVER_PORT", port(3000), "Port of the HTTP API."),
  host: variable("SERVER_HOST", text("0.0.0.0"), "Address that the HTTP API listens on."),
  publicUrl: variable(
    "API_PUBLIC_URL",
    url("https", "http").optional(),
    "First server in the OpenAPI document.",
  ),
  requestTimeoutMs: variable(
    "REQUEST_TIMEOUT_MS",
    positiveInteger(35_000, 120_000),
    "A request's whole time, over all hops. Above DB_ACQUIRE_TIMEOUT_SECS, so that a full pool can still say so.",
  ),
  principalCacheSeconds: variable(
    "PRINCIPAL_CACHE_SECS",
    wholeNumber(60, 3600),
    "A verified token is taken for so long without asking again, never past its own end.",
  ),
} as const;

export interface GatewayConfig {
  readonly port: number;
  readonly host: string;
  readonly publicUrl: string | undefined;
  readonly requestTimeoutMs: number;
  readonly principalCacheSeconds: number;
}

/** @throws {ConfigurationError} naming each wrong variable. */
export function readGatewayConfig(environment: Environment): GatewayConfig {
  return readSettings(gatewayVariables, environment);
}
