import { z } from "zod";
import { MAX_RATE_WINDOW_SECONDS } from "../auth/contract/request-count.ts";
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
import { isNetwork } from "./client-address.ts";

const MAX_LIMIT = 100_000_000;
const NETWORKS = "must be a comma separated list of addresses and networks, like 10.0.0.0/8, fd00::/8";
const networks = z
  .string(NETWORKS)
  .transform((text) => text.split(",").map((entry) => entry.trim()))
  .refine((entries) => entries.length <= 100 && entries.every(isNetwork), NETWORKS)
  .default([]);

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
  userLimit: variable(
    "RATE_LIMIT_REQUESTS",
    wholeNumber(6_000, MAX_LIMIT),
    "Requests that a user may make in any `RATE_LIMIT_WINDOW_SECS`, over all gateways; 0 for no limit.",
  ),
  addressLimit: variable(
    "RATE_LIMIT_ADDRESS_REQUESTS",
    wholeNumber(6_000, MAX_LIMIT),
    "The same for requests without a valid token, of one IPv4 address or IPv6 /64 network; 0 for no limit.",
  ),
  windowSeconds: variable(
    "RATE_LIMIT_WINDOW_SECS",
    positiveInteger(60, MAX_RATE_WINDOW_SECONDS),
    "The window of the rate limits. It slides.",
  ),
  trustedProxies: variable(
    "TRUSTED_PROXIES",
    networks,
    "Addresses and networks of the proxies in front of the gateway, comma separated. Only what they add to `X-Forwarded-For` is believed.",
  ),
  maxConcurrentRequests: variable(
    "MAX_CONCURRENT_REQUESTS",
    positiveInteger(2_000, 100_000),
    "Requests that a gateway works on at once; one route has half of them at most. More get 503, sooner where a route is slow.",
  ),
  maxConnections: variable(
    "MAX_CONNECTIONS",
    positiveInteger(10_000, 100_000),
    "Connections that a gateway has open. From nine tenths on, those on which no request has come for longest make room.",
  ),
} as const;

export interface GatewayConfig {
  readonly port: number;
  readonly host: string;
  readonly publicUrl: string | undefined;
  readonly requestTimeoutMs: number;
  readonly principalCacheSeconds: number;
  readonly userLimit: number;
  readonly addressLimit: number;
  readonly windowSeconds: number;
  readonly trustedProxies: readonly string[];
  readonly maxConcurrentRequests: number;
  readonly maxConnections: number;
}

/** @throws {ConfigurationError} naming each wrong variable. */
export function readGatewayConfig(environment: Environment): GatewayConfig {
  return readSettings(gatewayVariables, environment);
}
