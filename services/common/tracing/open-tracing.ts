import { switchTracing } from "../tracing.ts";
import type { TracingConfig } from "./config.ts";

/** What the receiver is told of a process, and how it tells what went wrong. */
export interface TracedProcess {
  readonly services: readonly string[];
  readonly namespace: string;
  readonly nodeID: string;
  readonly warn: (message: string) => void;
}

/** Switches tracing on if it is configured; else none of OpenTelemetry is loaded. */
export async function openTracing(config: TracingConfig, process: TracedProcess): Promise<void> {
  const { url } = config;
  if (url === undefined) return;
  const { startSdk } = await import("./start-sdk.ts");
  switchTracing(startSdk({ ...config, url }, process));
}
