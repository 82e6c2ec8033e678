import { setTimeout } from "node:timers/promises";
import type { ServiceBroker } from "moleculer";
import { natsUnreadiness } from "./nats.ts";
import { replicasOf } from "./replicas.ts";
import type { Log, OpenService, Unreadiness } from "./service.ts";

const INTERVAL_MS = 25;

/**
 * Whether this process can serve: it is started and not stopping, the broker answers, each of its
 * services says so (its database answers, its migrations are applied), and each service that they use was seen once.
 * One that disappears later fails what needs it, and nothing else.
 */
export function processUnreadiness(
  broker: ServiceBroker,
  opened: readonly OpenService[],
  state: { readonly started: boolean; readonly stopping: boolean },
): Unreadiness {
  const seen = new Set<string>();

  function missing(): string | undefined {
    const unseen = opened.flatMap(({ uses = [] }) => uses).filter((service) => !seen.has(service));
    for (const service of unseen) if (replicasOf(broker, service).length > 0) seen.add(service);
    const left = unseen.filter((service) => !seen.has(service));
    return left.length > 0 ? `no replica yet of ${left.join(", ")}` : undefined;
  }

  return async () => {
    if (state.stopping) return "stopping";
    if (!state.started) return "starting";
    const reasons = [natsUnreadiness(broker), missing(), ...opened.map((service) => service.unreadiness?.())];
    return (await Promise.all(reasons)).find((reason) => reason !== undefined);
  };
}

/** Waits until the process can serve; says once what it waits for. */
export async function untilReady(unreadiness: Unreadiness, log: Log): Promise<void> {
  let told: string | undefined;
  for (;;) {
    const reason = await unreadiness();
    if (reason === undefined) return;
    if (reason !== told) log.info(`Not ready yet: ${reason}`);
    told = reason;
    await setTimeout(INTERVAL_MS);
  }
}
