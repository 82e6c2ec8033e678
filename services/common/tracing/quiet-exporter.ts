import type { SpanExporter } from "@opentelemetry/sdk-trace";

/** `ExportResultCode` of the SDK. */
const SUCCESS = 0;
const WARNING_INTERVAL_MS = 60_000;
const MAX_REASON_LENGTH = 200;

/** Tells of what could not be sent: at once, and then at most once a minute with how much it was meanwhile. */
export function lossReport(warn: (message: string) => void) {
  let lost = 0;
  let warnedAt = Number.NEGATIVE_INFINITY;
  return (spans: number, reason: string): void => {
    lost += spans;
    const now = performance.now();
    if (now - warnedAt < WARNING_INTERVAL_MS) return;
    warnedAt = now;
    const what = lost > 0 ? `${lost} spans of traces were lost` : "Traces";
    warn(`${what}: ${reason.replaceAll(/\s+/g, " ").slice(0, MAX_REASON_LENGTH)}`);
    lost = 0;
  };
}

/** An exporter whose failures are nobody's but ours: they are told of, and that is all. */
export function quietExporter(
  exporter: SpanExporter,
  report: ReturnType<typeof lossReport>,
): Required<SpanExporter> {
  return {
    export(spans, done) {
      exporter.export(spans, ({ code, error }) => {
        if (code !== SUCCESS) report(spans.length, reasonOf(error));
        done({ code: SUCCESS });
      });
    },
    forceFlush: async () => exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  };
}

/** What the receiver has answered may be anything: its status is enough. */
function reasonOf(error: (Error & { readonly code?: unknown }) | undefined): string {
  const { code, name = "", message = "" } = error ?? {};
  if (typeof code === "number") return `the receiver answered with status ${code}`;
  return message || name || "the receiver did not take them";
}
