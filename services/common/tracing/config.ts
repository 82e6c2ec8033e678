import { z } from "zod";
import { type Environment, readSettings, url, variable } from "../config.ts";

const SAMPLERS = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;

/** Where traces go, and which; the names are OpenTelemetry's. */
export const tracingVariables = {
  endpoint: variable(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    url("http", "https").optional(),
    "Where traces are sent, by OTLP over HTTP, to /v1/traces below it. Unless it or the next is set, there are none.",
  ),
  tracesEndpoint: variable(
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    url("http", "https").optional(),
    "The same as the whole address.",
  ),
  sampler: variable(
    "OTEL_TRACES_SAMPLER",
    z.enum(SAMPLERS, `must be one of ${SAMPLERS.join(", ")}`).default("parentbased_traceidratio"),
    "Which requests are traced; parentbased_… heeds what the caller's traceparent says.",
  ),
  ratio: variable(
    "OTEL_TRACES_SAMPLER_ARG",
    ratio(0.1),
    "The share of traceidratio; and the share of all requests up to which callers that want theirs traced are heeded.",
  ),
} as const;

export interface TracingConfig {
  /** Undefined: off. */
  readonly url: string | undefined;
  readonly sampler: (typeof SAMPLERS)[number];
  readonly ratio: number;
}

/** @throws {ConfigurationError} naming each wrong variable. */
export function readTracingConfig(environment: Environment): TracingConfig {
  const { endpoint, tracesEndpoint, sampler, ratio } = readSettings(tracingVariables, environment);
  return { url: tracesEndpoint ?? (endpoint && `${endpoint.replace(/\/$/, "")}/v1/traces`), sampler, ratio };
}

/** From 0 to 1, as text. */
function ratio(fallback: number) {
  const must = "must be a number from 0 to 1, as 0.25";
  return z
    .string(must)
    .regex(/^(?:0(?:\.\d{1,9})?|1(?:\.0{1,9})?)$/, must)
    .transform(Number)
    .default(fallback);
}
