import { setImmediate as nextTurn } from "node:timers/promises";
import { Errors, type Middleware, type ServiceBroker } from "moleculer";
import { nodesLost } from "./metrics.ts";
import { registryOf, type Transit, type Transporter, transitOf } from "./parts.ts";

/** NATS' own status for what nobody has subscribed to. */
const NO_RESPONDERS = 503;

/**
 * Requests are sent with an address for replies, to which the NATS server answers at once when nobody takes them. Such a
 * request was never executed; and unless its node is leaving, the node is gone, which so is known long before it is
 * missed. The address lies under the one of this node's own replies, which nobody else may listen to.
 */
export const undelivered: Middleware = {
  name: "Undelivered",
  created(broker: ServiceBroker) {
    const transit = transitOf(broker);
    if (!transit) return;
    let listening: object | null = null;
    broker.localBus.on("$transporter.connected", () => {
      const { client } = transit.tx;
      if (!client || client === listening) return;
      listening = client;
      const address = returnAddress(transit.tx, "");
      client.subscribe(`${address}*`, {
        callback(error, message) {
          if (error) broker.logger.error(`What is undelivered is not heard of: ${error.message}`);
          else if (message.data.length === 0 && message.headers?.code === NO_RESPONDERS)
            handBack(broker, transit, message.subject.slice(address.length));
        },
      });
    });
  },
};

/** Where the server answers to when a request cannot be delivered. */
export function returnAddress({ prefix, nodeID }: Transporter, requestId: string): string {
  return `${prefix}.RES.${nodeID}.${requestId}`;
}

function handBack(broker: ServiceBroker, transit: Transit, id: string): void {
  const request = transit.pendingRequests.get(id);
  if (!request) return;
  transit.pendingRequests.delete(id);
  const { nodeID } = request;
  const { nodes, services } = registryOf(broker);
  // One that is leaving has said so before it stopped listening, and still answers what it has.
  if (nodes.get(nodeID)?.available && services.services.some(({ node }) => node.id === nodeID)) {
    nodesLost.labels("undelivered").inc();
    giveUp(broker, transit, nodeID).catch((error) => broker.logger.error(error));
  }
  request.reject(notExecuted(request.action.name, nodeID, "nobody takes it there"));
}

/**
 * Gives a node up: it is called no more from now on. What it was asked before it died will never be answered; what it was
 * asked afterwards is handed back as well, which is first waited for, because that is known not to have been executed.
 */
async function giveUp(broker: ServiceBroker, transit: Transit, nodeID: string): Promise<void> {
  const registry = registryOf(broker);
  registry.unregisterServicesByNode(nodeID);
  // What is still gathered here is sent in this turn.
  await nextTurn();
  // It fails when the connection is lost, and with that everything in flight.
  await transit.tx.client?.flush().catch(() => undefined);
  registry.nodes.disconnected(nodeID, true);
}

/** A request that was certainly not executed, so that it may be tried elsewhere whatever it is. */
export function notExecuted(action: string, nodeID: string, reason: string): Error {
  const message = `Request of '${action}' was not executed on '${nodeID}': ${reason}.`;
  return new Errors.MoleculerRetryableError(message, 503, NOT_EXECUTED, { action, nodeID });
}

/** Nothing can be sent now. (Moleculer types it as if it had the parameters of its base.) */
export function disconnected(): Error {
  return new (Errors.BrokerDisconnectedError as unknown as new () => Error)();
}

/**
 * Moleculer's own for "not here", which it answers only before anything is done (`implement` makes a problem of what
 * handlers throw). Older processes know it too.
 */
export const NOT_EXECUTED = "SERVICE_NOT_AVAILABLE";
