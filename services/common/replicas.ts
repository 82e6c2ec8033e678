import type { ServiceBroker } from "moleculer";
import type { Log } from "./service.ts";

/** Logs how many replicas of each service there are: now, and whenever one joins or leaves. */
export function logReplicas(broker: ServiceBroker, services: readonly string[], log: Log): void {
  function told(): string {
    return services.map((service) => `${service} ${replicasOf(broker, service).length}`).join(", ");
  }
  log.info(`Replicas: ${told()}`);
  broker.localBus.on("$node.connected", ({ node }: { node: { id: string } }) =>
    log.info(`${node.id} joined: ${told()}`),
  );
  broker.localBus.on(
    "$node.disconnected",
    ({ node, unexpected }: { node: { id: string }; unexpected: boolean }) =>
      log.info(`${node.id} ${unexpected ? "was lost" : "left"}: ${told()}`),
  );
}

/** The ids of the nodes that run a service, this one among them. */
export function replicasOf(broker: ServiceBroker, service: string): string[] {
  return broker.registry.services.services
    .filter(({ name, node }) => name === service && node.available)
    .map(({ node }) => node.id);
}
