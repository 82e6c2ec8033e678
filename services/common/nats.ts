import { Errors, type Middleware, type ServiceBroker } from "moleculer";
import type { NatsConnection } from "nats";
import { within } from "./within.ts";

/** How long a round trip to the NATS server may take before it counts as gone. */
const ROUND_TRIP_TIMEOUT_MS = 1_000;

interface PendingRequest {
  readonly action: { readonly name: string };
  readonly nodeID: string;
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/** The parts of Moleculer's transit that keep its idea of the connection true; its types leave them out. */
interface Transit {
  readonly tx: { client: NatsConnection | null; connected: boolean };
  readonly pendingRequests: Map<string, PendingRequest>;
  removePendingRequest(id: string): void;
}

interface Discovery {
  sendLocalNodeInfo(): void;
  discoverAllNodes(): void;
}

/**
 * Moleculer does not notice that its NATS connection is gone: requests published meanwhile are lost and hang until
 * they time out. This middleware tells it: requests in flight are rejected at once, new ones refused at once, and when
 * the connection is back the nodes make themselves known again at once. And what has timed out is over.
 */
export const natsState: Middleware = {
  name: "NatsState",
  created(broker: ServiceBroker) {
    if (broker.transit) endForgotten(transitOf(broker));
    let watched: NatsConnection | undefined;
    broker.localBus.on("$transporter.connected", () => {
      const { client } = transitOf(broker).tx;
      if (!client || client === watched) return;
      watched = client;
      watch(broker, client).catch((error) =>
        broker.logger.error("The NATS connection is no longer watched.", error),
      );
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
    const { resolve, reject } = request;
    request.resolve = (value) => {
      isOver = true;
      resolve(value);
    };
    request.reject = (error) => {
      isOver = true;
      reject(error);
    };
    queueMicrotask(() => {
      if (!isOver) reject(rejectionOf(request));
    });
  };
}

async function watch(broker: ServiceBroker, client: NatsConnection): Promise<void> {
  const transit = transitOf(broker);
  for await (const status of client.status()) {
    if (status.type === "disconnect") {
      transit.tx.connected = false;
      broker.logger.warn(`NATS is gone: ${status.data}`);
      rejectPending(transit);
    }
    if (status.type === "reconnect") {
      transit.tx.connected = true;
      broker.logger.info(`NATS is back: ${status.data}`);
      const { discoverer } = broker.registry as unknown as { discoverer: Discovery };
      discoverer.sendLocalNodeInfo();
      discoverer.discoverAllNodes();
    }
  }
}

function rejectPending(transit: Transit): void {
  for (const [id, request] of transit.pendingRequests) {
    transit.removePendingRequest(id);
    request.reject(rejectionOf(request));
  }
}

function rejectionOf({ action, nodeID }: PendingRequest): Error {
  return new Errors.RequestRejectedError({ action: action.name, nodeID });
}

/** Why the broker cannot be reached just now; undefined when a round trip works, or when there is no transporter. */
export async function natsUnreadiness(broker: ServiceBroker): Promise<string | undefined> {
  if (!broker.transit) return undefined;
  const { client, connected } = transitOf(broker).tx;
  if (!client || !connected) return "NATS is not connected";
  try {
    await within(ROUND_TRIP_TIMEOUT_MS, client.flush());
    return undefined;
  } catch (error) {
    return `NATS: ${(error as Error).message}`;
  }
}

function transitOf(broker: ServiceBroker): Transit {
  return broker.transit as unknown as Transit;
}
