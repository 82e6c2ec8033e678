import type { ServiceBroker } from "moleculer";
import type { ProcessConfig } from "./broker-config.ts";
import type { Log, OpenService } from "./service.ts";
import { tracing } from "./tracing.ts";
import { takeNoMoreRequests } from "./transport.ts";

export interface StopOptions {
  readonly broker: ServiceBroker;
  /** Filled while the process starts. */
  readonly opened: readonly OpenService[];
  readonly state: { stopping: boolean };
  readonly config: ProcessConfig;
  readonly log: Log;
}

/** Beyond the time for requests in flight: for leaving the broker and closing the pool. */
const CLOSING_MS = 3_000;
/** Of the time for requests in flight, what jobs may take to come to their end; they run beside each other. */
const END_SHARE = 0.5;

/**
 * Makes the process stop in this order when it is told to (SIGTERM, SIGINT, or its starter died): not ready, pause,
 * connections told to close, jobs ended, no more requests taken and those in flight ended, broker left, pool closed,
 * exit 0. All within a limit; past it, exit 1.
 */
export function stopInOrder({ broker, opened, state, config, log }: StopOptions): void {
  async function stop(reason: string): Promise<void> {
    if (state.stopping) return;
    state.stopping = true;
    const limitMs = (config.shutdownPauseSeconds + config.shutdownTimeoutSeconds) * 1000 + CLOSING_MS;
    setTimeout(() => {
      log.error(`Stop took longer than ${limitMs} ms: exit`);
      process.exit(1);
    }, limitMs).unref();
    log.info(`Stop (${reason}): not ready any more, pause of ${config.shutdownPauseSeconds} s`);
    await new Promise((resolve) => setTimeout(resolve, config.shutdownPauseSeconds * 1000));
    log.info("Stop: telling clients to close, draining requests in flight");
    const endLimitMs = config.shutdownTimeoutSeconds * 1000 * END_SHARE;
    await Promise.all(opened.map((service) => service.drain?.()));
    await Promise.all(opened.map((service) => service.end?.(endLimitMs)));
    log.info("Stop: taking no more requests of other processes");
    await takeNoMoreRequests(broker);
    await broker.stop();
    log.info("Stop: left the broker");
    const tracesSent = tracing?.close();
    for (const service of opened) await service.close?.();
    await tracesSent;
    log.info("Stop: pools closed, exit 0");
    process.exit(0);
  }

  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void stop(signal));
  if (process.connected) process.on("disconnect", () => void stop("the starter is gone"));
}
