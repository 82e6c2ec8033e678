import { constantIn } from "../support/code.ts";
import {
  containerOf,
  type Document,
  labelOf,
  ofKind,
  servicesOf,
  titleOf,
  type Workload,
  workloadsOf,
} from "../support/documents.ts";
import { settingsOf } from "../support/settings.ts";

/** Between the end of a stop as the code limits it, and the kill. */
const MARGIN_SECONDS = 5;
/** Proxies that learn late still send requests for so long after the SIGTERM ("reliability": 1 to 30 s, mostly below 10). */
const LEAST_PAUSE_SECONDS = 10;

/** Whoever is told to stop has the time to: for what the code or the configuration says that it does then. */
export function shutdownFaults(documents: readonly Document[]): string[] {
  return [
    ...servicesOf(documents).flatMap((service) => serviceFaults(service, documents)),
    ...workloadsOf(documents).flatMap((workload) => {
      if (labelOf(workload, "name") === "nats") return natsFaults(workload, documents);
      if (labelOf(workload, "name") === "pgbouncer") return poolerFaults(workload, documents);
      return [];
    }),
  ];
}

function serviceFaults(service: Workload, documents: readonly Document[]): string[] {
  const settings = settingsOf(service, documents);
  const pause = Number(settings.get("SHUTDOWN_PAUSE_SECS") || 0);
  const drain = Number(settings.get("SHUTDOWN_TIMEOUT_SECS") || 20);
  const closing = constantIn("services/common/stop.ts", "CLOSING_MS") / 1000;
  const grace = service.spec.template.spec.terminationGracePeriodSeconds ?? 30;
  const faults: [wrong: boolean, fault: string][] = [
    [pause < LEAST_PAUSE_SECONDS, `pauses for ${pause} s only`],
    [
      grace < pause + drain + closing + MARGIN_SECONDS,
      `is killed after ${grace} s, but stops in up to ${pause} + ${drain} + ${closing} s`,
    ],
    // The process pauses itself: a hook before it would add to its time, and take of its grace.
    [containerOf(service).lifecycle !== undefined, "has a hook beside its own pause"],
    [
      (service.spec.minReadySeconds ?? 0) < grace,
      `goes on with a roll-out before a pod that stops (${grace} s) has let go of its connections`,
    ],
  ];
  return faults.filter(([wrong]) => wrong).map(([, fault]) => `${titleOf(service)} ${fault}`);
}

function natsFaults(nats: Workload, documents: readonly Document[]): string[] {
  const configuration = dataOf(documents, "nats.conf");
  const [first, duration] = ["lame_duck_grace_period", "lame_duck_duration"].map((name) =>
    Number(new RegExp(`^${name}: "(\\d+)s"$`, "m").exec(configuration)?.[1]),
  ) as [number, number];
  const grace = nats.spec.template.spec.terminationGracePeriodSeconds ?? 30;
  return grace >= first + duration + MARGIN_SECONDS
    ? []
    : [`${titleOf(nats)} is killed after ${grace} s, but its clients leave in ${first} + ${duration} s`];
}

function poolerFaults(pooler: Workload, documents: readonly Document[]): string[] {
  const [service] = servicesOf(documents).filter(
    (each) => settingsOf(each, documents).get("DB_MAX_CONNECTIONS") !== undefined,
  );
  const lifetime = Number(settingsOf(service as Workload, documents).get("DB_MAX_LIFETIME_SECS") || 1800);
  const grace = pooler.spec.template.spec.terminationGracePeriodSeconds ?? 30;
  return [
    ...(grace >= lifetime + MARGIN_SECONDS
      ? []
      : [`${titleOf(pooler)} is killed after ${grace} s, but its clients leave in up to ${lifetime} s`]),
    ...((pooler.spec.minReadySeconds ?? 0) >= grace
      ? []
      : [`${titleOf(pooler)} goes on with a roll-out before a pod that stops has let go of its connections`]),
  ];
}

/** The text of a file in a ConfigMap. */
export function dataOf(documents: readonly Document[], file: string): string {
  const [text] = ofKind(documents, "ConfigMap").flatMap(({ data = {} }) => data[file] ?? []);
  if (text === undefined) throw new Error(`No ConfigMap has ${file}.`);
  return text;
}
