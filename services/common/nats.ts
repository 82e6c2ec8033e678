import { Errors, type Middleware, type ServiceBroker } from "moleculer";
import type { NatsConnection } from "nats";

/** How long a round trip to the NATS server may take before it counts as gone. */
const ROUND_TRIP_TIMEOUT_MS = 1_000;

interface PendingRequest {
  readonly action: { readonly name: string };
  readonly nodeID: string;
  readonly reject: (error: Error) => void;
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
 * the connection is back the nodes make themselves known again at once.
 */
export const natsState: Middleware = {
  name: "NatsState",
  created(broker: ServiceBroker) {
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
  for (const [id, { action, nodeID, reject }] of transit.pendingRequests) {
    transit.removePendingRequest(id);
    reject(new Errors.RequestRejectedError({ action: action.name, nodeID }));
  }
}

/** Why the broker cannot be reached just now; undefined when a round trip works, or when there is no transporter. */
export async function natsUnreadiness(broker: ServiceBroker): Promise<string | undefined> {
  if (!broker.transit) return undefined;
  const { client, connected } = transitOf(broker).tx;
  if (!client || !connected) return "NATS is not connected";
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new Error("no answer")), ROUND_TRIP_TIMEOUT_MS);
  try {
    await Promise.race([client.flush(), timeout.promise]);
    return undefined;
  } catch (error) {
    return `NATS: ${(error as Error).message}`;
  } finally {
    clearTimeout(timer);
  }
}

function transitOf(broker: ServiceBroker): Transit {
  return broker.transit as unknown as Transit;
}
