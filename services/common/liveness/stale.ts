import type { Middleware, ServiceBroker } from "moleculer";
import { requestsRefused } from "./metrics.ts";
import { registryOf, type Transit, transitOf } from "./parts.ts";
import type { Pulse } from "./pulse.ts";
import { notExecuted } from "./undelivered.ts";

interface Request {
  readonly sender: string;
  readonly id: string;
  readonly action: string;
}

/**
 * After this process stood still, requests that were sent to it meanwhile have long been given up by their callers. None
 * is executed: they are refused until the NATS server has answered a ping, because then all that came before has been
 * read. Then the process makes itself known again.
 */
export function refusingStale(pulse: Pulse): Middleware {
  let stalls = 0;
  let isBehind = false;

  async function catchUp(broker: ServiceBroker, stalledMs: number): Promise<void> {
    const transit = transitOf(broker);
    if (!transit?.tx.connected) return;
    stalls += 1;
    const stall = stalls;
    isBehind = true;
    broker.logger.warn(`This process stood still for ${Math.round(stalledMs)} ms`);
    // It fails when the connection is lost; with that, whatever waited on it is lost too.
    await transit.tx.client?.flush().catch(() => undefined);
    if (stall !== stalls) return;
    isBehind = false;
    if (!broker.stopping) await registryOf(broker).discoverer.sendLocalNodeInfo();
  }

  return {
    name: "RefusingStale",
    created(broker: ServiceBroker) {
      pulse.onStall((stalledMs) => {
        catchUp(broker, stalledMs).catch((error) => broker.logger.error(error));
      });
    },
    transitMessageHandler(next) {
      const transit = this as unknown as Transit & { readonly nodeID: string };
      const handle = next as unknown as (command: string, packet: { payload: Request }) => unknown;
      return ((command: string, packet: { payload: Request }) => {
        if (command !== "REQ") return handle(command, packet);
        pulse.check();
        if (!isBehind) return handle(command, packet);
        const { sender, id, action } = packet.payload;
        requestsRefused.inc();
        const error = notExecuted(action, transit.nodeID, "it waited while the process stood still");
        transit.sendResponse(sender, id, {}, null, null, error);
        return Promise.resolve(true);
      }) as never;
    },
  };
}
