import { constantIn, processVariables, sourceOf } from "../support/code.ts";
import { containerOf, type Document, type Probe, servicesOf, titleOf } from "../support/documents.ts";
import { settingsOf } from "../support/settings.ts";
import { portOf } from "./references.ts";

/** How long a start may take at least: a NATS that is late, a database whose migrations run. */
const START_SECONDS = 300;
/** A process that gives no sign of life for so long is started again; not earlier. */
const LIFELESS_SECONDS = 30;

/** The probes ask what the code answers, where it answers, and are not faster than it can be. */
export async function probeFaults(documents: readonly Document[]): Promise<string[]> {
  const pages = new Set(
    [...sourceOf("services/common/monitoring.ts").matchAll(/server\.get\("(\/\w+)"/g)].map(
      ([, page]) => page,
    ),
  );
  const defaults = await processVariables();
  // What the answer to /ready waits for, at most.
  const answerSeconds = constantIn("services/common/database/database.ts", "READINESS_TIMEOUT_MS") / 1000;

  return servicesOf(documents).flatMap((service) => {
    const container = containerOf(service);
    const { startupProbe, livenessProbe, readinessProbe } = container;
    if (!startupProbe || !livenessProbe || !readinessProbe) return [`${titleOf(service)} has not all probes`];
    const settings = settingsOf(service, documents);
    const metricsPort = Number(
      settings.get("METRICS_PORT") || defaults.get("METRICS_PORT")?.schema.parse(undefined),
    );
    const pause = Number(settings.get("SHUTDOWN_PAUSE_SECS") || 0);
    const asked = [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet);
    const faults: [wrong: boolean, fault: string][] = [
      [asked.some((each) => portOf(container, each?.port) !== metricsPort), "is probed at another port"],
      [asked.some((each) => !pages.has(each?.path)), "is probed at a page that it does not have"],
      [livenessProbe.httpGet?.path !== "/health", "is restarted for what is outside it"],
      [startupProbe.httpGet?.path !== "/health", "is not given the time to become ready"],
      [readinessProbe.httpGet?.path !== "/ready", "is asked something else than whether it is ready"],
      [secondsOf(startupProbe) < START_SECONDS, "is restarted before it can have started"],
      [secondsOf(livenessProbe) < LIFELESS_SECONDS, "is restarted for a moment's silence"],
      [timeoutOf(readinessProbe) <= answerSeconds, "is not ready before it can say why"],
      // Also where a Service goes by readiness alone, it is out before the pause is over.
      [secondsOf(readinessProbe) + timeoutOf(readinessProbe) > pause, "is taken out after it has stopped"],
    ];
    return faults.filter(([wrong]) => wrong).map(([, fault]) => `${titleOf(service)} ${fault}`);
  });
}

function secondsOf({ periodSeconds = 10, failureThreshold = 3 }: Probe): number {
  return periodSeconds * failureThreshold;
}

function timeoutOf({ timeoutSeconds = 1 }: Probe): number {
  return timeoutSeconds;
}
