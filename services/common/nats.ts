import { Errors, type Middleware, type ServiceBroker } from "moleculer";
import type { NatsConnection } from "nats";
import { connectPatiently } from "./liveness/first-connection.ts";
import { probe } from "./liveness/nats-probe.ts";
import { type PendingRequest, registryOf, type Transit, transitOf } from "./liveness/parts.ts";

/**
 * Moleculer does not notice that its NATS connection is gone: requests published meanwhile are lost and hang until
 * they time out. This middleware tells it: requests in flight are rejected at once, new ones refused at once, and when
 * the connection is back the nodes make themselves known again at once. And what has timed out is over.
 */
export const natsState: Middleware = {
  name: "NatsState",
  created(broker: ServiceBroker) {
    const transit = transitOf(broker);
    if (!transit) return;
    endForgotten(transit);
    connectPatiently(broker, transit.tx);
    let watched: NatsConnection | undefined;
    broker.localBus.on("$transporter.connected", () => {
      const { client } = transit.tx;
      if (!client || client === watched) return;
      watched = client;
      const unwatched = (error: unknown) =>
        broker.logger.error("The NATS connection is no longer watched.", error);
      watch(broker, transit, client).catch(unwatched);
      probe(transit.tx, client, (reason) => lose(broker, transit, reason)).catch(unwatched);
    });
  },
};

/**
 * Moleculer forgets a request that has timed out without ending it, and so would track it for ever: a leak, and a stop
 * that waits for it in vain. One that is forgotten right before its reply is handed over is ended by that.
 */
function endForgotten(transit: Transit): void {
  const remove = transit.removePendingRequest.bind(transit);
  transit.removePendingRequest = (id) => {
    const request = transit.pendingRequests.get(id);
    remove(id);
    if (!request) return;
    // Nearly always, its reply is handed over in this very turn. An error for each would take a tenth of the gateway's time.
    let isOver = false;
    const { resolve, reject, action, nodeID } = request;
    request.resolve = (value) => {
      isOver = true;
      resolve(value);
    };
    request.reject = (error) => {
      isOver = true;
      reject(error);
    };
    queueMicrotask(() => {
      if (!isOver) reject(new Errors.RequestTimeoutError({ action: action.name, nodeID }));
    });
  };
}

async function watch(broker: ServiceBroker, transit: Transit, client: NatsConnection): Promise<void> {
  for await (const status of client.status()) {
    if (status.type === "disconnect") lose(broker, transit, "the connection is closed");
    if (status.type === "reconnect") {
      transit.tx.connected = true;
      broker.logger.info(`NATS is back: ${status.data}`);
      const { discoverer } = registryOf(broker);
      await discoverer.sendLocalNodeInfo();
      await discoverer.discoverAllNodes();
    }
  }
}

function lose(broker: ServiceBroker, transit: Transit, reason: string): void {
  if (!transit.tx.connected) return;
  transit.tx.connected = false;
  broker.logger.warn(`NATS is gone: ${reason}`);
  for (const [id, request] of transit.pendingRequests) {
    transit.pendingRequests.delete(id);
    request.reject(rejectionOf(request));
  }
  // The server may hold on to others' connections that are gone as well, and swallow for them what is sent when it is
  // back: each is called again once it has made itself known.
  const { nodes } = registryOf(broker);
  for (const { id, local } of nodes.toArray()) if (!local) nodes.disconnected(id, true);
}

function rejectionOf({ action, nodeID }: PendingRequest): Error {
  return new Errors.RequestRejectedError({ action: action.name, nodeID });
}

/** Why the broker cannot be reached just now, as the probe last found; undefined also when there is no transporter. */
export function natsUnreadiness(broker: ServiceBroker): string | undefined {
  const transit = transitOf(broker);
  return transit && !transit.tx.connected ? "NATS is not connected" : undefined;
}
