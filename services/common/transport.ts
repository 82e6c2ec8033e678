import { setTimeout as delay } from "node:timers/promises";
import type { Middleware, ServiceBroker } from "moleculer";
import { Counter, Gauge } from "prom-client";
import { livenessMetrics } from "./liveness/metrics.ts";
import { type Packet, partsOf, registryOf, type Transporter, transitOf } from "./liveness/parts.ts";
import { disconnected, returnAddress } from "./liveness/undelivered.ts";
import { within } from "./within.ts";

/** Between saying that requests are no longer taken and not taking any: who was told late still sends some. */
const LAST_REQUESTS_MS = 100;
/** For what the NATS server still holds for this process to come. */
const LAST_REQUESTS_TIMEOUT_MS = 1_000;

const packets = new Counter({
  name: "broker_packets_total",
  help: "Packets that this process sent to or received from other processes.",
  labelNames: ["direction"],
  registers: [],
});
const bytes = new Counter({
  name: "broker_bytes_total",
  help: "Bytes of those packets.",
  labelNames: ["direction"],
  registers: [],
});
const writes = new Counter({
  name: "broker_writes_total",
  help: "Turns of the event loop in which packets were sent; packets sent in one turn share a write.",
  registers: [],
});
const connected = new Gauge({
  name: "broker_connected",
  help: "1 while the connection to the broker is up, else 0.",
  registers: [],
});
const pending = new Gauge({
  name: "broker_pending_requests",
  help: "Calls of other processes' actions that are waiting for their reply.",
  registers: [],
});

/** The metrics of the broker connection, for the registry of this process. */
export const brokerMetrics = [packets, bytes, writes, connected, pending, ...livenessMetrics] as const;

/** Reads the connection's present state into the gauges; call it before the metrics are written out. */
export function collectBrokerMetrics(broker: ServiceBroker): void {
  const transit = transitOf(broker);
  connected.set(transit?.tx.connected ? 1 : 0);
  pending.set(transit?.pendingRequests.size ?? 0);
}

/** What is sent, and whom to tell what became of it. */
interface Sending {
  readonly topic: string;
  readonly data: Buffer;
  readonly packet: Packet;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A middleware that sends what one turn of the event loop has to send together. The NATS client writes once per
 * microtask queue, which under load is once per packet, and a write to a socket costs more than all the rest of a
 * packet's way. Gathered, the packets of concurrent requests share a write here, a read and a write in nats-server, and
 * a read at their receiver, which so finds them in one turn and can put their reads together.
 * (Moleculer types its hooks as if they were calls, hence the casts.)
 */
export const gatheredSends: Middleware = {
  name: "GatheredSends",

  created(broker: ServiceBroker) {
    const tx = transitOf(broker)?.tx;
    if (tx) tx.subscribe = subscribing(tx, broker);
  },

  transporterSend(_next: unknown) {
    const sent = { packets: packets.labels("sent"), bytes: bytes.labels("sent") };
    const tx = this as unknown as Transporter;
    let gathered: Sending[] = [];

    function flush(): void {
      const sendings = gathered;
      gathered = [];
      writes.inc();
      for (const { topic, data, packet, resolve, reject } of sendings) {
        try {
          publish(tx, topic, data, packet);
          resolve(undefined);
        } catch (error) {
          reject(error);
        }
      }
    }

    return ((topic: string, data: Buffer, { packet }: { packet: Packet }) => {
      // The client refuses these by throwing, and only if that happens at once is a caller told that its reply is one.
      if (data.length > (tx.client?.info?.max_payload ?? data.length))
        return Promise.resolve(publish(tx, topic, data, packet));
      sent.packets.inc();
      sent.bytes.inc(data.length);
      return new Promise((resolve, reject) => {
        if (gathered.length === 0) setImmediate(flush);
        gathered.push({ topic, data, packet, resolve, reject });
      });
    }) as never;
  },

  transporterReceive(next) {
    const received = { packets: packets.labels("received"), bytes: bytes.labels("received") };
    return ((command: string, data: Buffer) => {
      received.packets.inc();
      received.bytes.inc(data.length);
      return next(command, data);
    }) as never;
  },
};

/** Sends one packet; a request with an address for the server to answer to when nobody takes it. */
function publish(tx: Transporter, topic: string, data: Buffer, { type, target, payload }: Packet): void {
  if (!tx.connected) {
    // Sent after a reconnection, it would come to somebody who has given up. Who asks is told.
    if (type === "REQ" || type === "EVENT") throw disconnected();
    return;
  }
  const isRequest = type === "REQ" && target !== null;
  tx.client?.publish(topic, data, isRequest ? { reply: returnAddress(tx, payload.id) } : undefined);
}

/**
 * As Moleculer subscribes, but for two things: a subscription that the server refuses is told of, where Moleculer would
 * go deaf; and what arrives is not copied, because all of it is read before anything else comes.
 */
function subscribing(tx: Transporter, broker: ServiceBroker): Transporter["subscribe"] {
  return async (command, nodeID) => {
    tx.client?.subscribe(topicOf(tx, command, nodeID), {
      callback(error, message) {
        if (error) {
          broker.logger.error(`NATS refuses to let this process hear ${command}: ${error.message}`);
          return;
        }
        const { data } = message;
        tx.receive(command, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
      },
    });
  };
}

function topicOf({ prefix }: Transporter, command: string, nodeID: string | undefined): string {
  return nodeID === undefined ? `${prefix}.${command}` : `${prefix}.${command}.${nodeID}`;
}

/**
 * Ends the coming of requests, so that none is lost when the process leaves: others are told to call it no more, and when
 * they have been, the server; what it had for this process by then has come when this ends. Replies to what this process
 * asks itself go on to come.
 */
export async function takeNoMoreRequests(broker: ServiceBroker): Promise<void> {
  const transit = transitOf(broker);
  if (!transit) return;
  const { tx } = transit;
  const registry = registryOf(broker);
  registry.regenerateLocalRawInfo(true, true);
  await registry.discoverer.sendLocalNodeInfo();
  await delay(LAST_REQUESTS_MS);
  if (!tx.client || !tx.connected) return;
  const topic = topicOf(tx, "REQ", broker.nodeID);
  for (const subscription of partsOf(tx.client).protocol.subscriptions.all())
    if (subscription.getSubject() === topic) subscription.unsubscribe();
  await within(LAST_REQUESTS_TIMEOUT_MS, tx.client.flush()).catch(({ message }: Error) =>
    broker.logger.warn(`NATS does not say that no more requests come: ${message}`),
  );
}
