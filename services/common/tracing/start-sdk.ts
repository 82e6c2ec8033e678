import { DiagLogLevel, diag } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import { AlwaysOnSampler, BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Tracing } from "../tracing.ts";
import { within } from "../within.ts";
import type { TracingConfig } from "./config.ts";
import { OpenTelemetryTracing } from "./open-telemetry.ts";
import type { TracedProcess } from "./open-tracing.ts";
import { lossReport, quietExporter } from "./quiet-exporter.ts";
import { sampling } from "./sampling.ts";

// More than these are dropped: a receiver that is slow or gone costs so much memory, and no request anything.
const MAX_QUEUED_SPANS = 4_096;
const MAX_BATCH = 512;
/** All that is queued, at a stop, and what was under way. */
const MAX_EXPORTS_AT_ONCE = MAX_QUEUED_SPANS / MAX_BATCH + 2;
const EXPORT_INTERVAL_MS = 2_000;
/** For one batch, its repetitions included. */
const EXPORT_TIMEOUT_MS = 5_000;
/** Beyond it, for when the exporter does not keep to it. */
const LAST_RESORT_TIMEOUT_MS = EXPORT_TIMEOUT_MS + 2_000;
/** Of a stop's closing, which has three seconds. */
const CLOSE_TIMEOUT_MS = 1_500;

const SPAN_LIMITS = {
  attributeCountLimit: 16,
  attributeValueLengthLimit: 200,
  linkCountLimit: 64,
  eventCountLimit: 8,
};

/** Sets up the SDK: what is recorded is sent in batches, aside from all requests. */
export function startSdk(config: TracingConfig & { url: string }, process: TracedProcess): Tracing {
  const report = lossReport(process.warn);
  // A part of the SDK says its name first.
  const warn = (...words: readonly unknown[]) =>
    report(
      0,
      words
        .slice(0, 2)
        .filter((word) => typeof word === "string")
        .join(": "),
    );
  // What the SDK itself says to its errors quotes whole answers.
  diag.setLogger(
    { error: () => warn("an export failed"), warn, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const exporter = new OTLPTraceExporter({
    url: config.url,
    timeoutMillis: EXPORT_TIMEOUT_MS,
    concurrencyLimit: MAX_EXPORTS_AT_ONCE,
  });
  const provider = new TracerProvider({
    // What is recorded is decided before a span is begun.
    sampler: new AlwaysOnSampler(),
    spanLimits: SPAN_LIMITS,
    resource: defaultResource().merge(
      resourceFromAttributes({
        "service.name": process.services.join("-"),
        "service.namespace": process.namespace,
        "service.instance.id": process.nodeID,
      }),
    ),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: quietExporter(exporter, report),
        maxQueueSize: MAX_QUEUED_SPANS,
        maxExportBatchSize: MAX_BATCH,
        scheduledDelayMillis: EXPORT_INTERVAL_MS,
        exportTimeoutMillis: LAST_RESORT_TIMEOUT_MS,
      }),
    ],
  });
  return new OpenTelemetryTracing(provider.getTracer("butler"), sampling(config), () =>
    within(CLOSE_TIMEOUT_MS, provider.shutdown()).catch(({ message }: Error) =>
      process.warn(`The last spans of traces were not sent: ${message}`),
    ),
  );
}

function ignore(): void {}
