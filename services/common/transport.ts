import type { Middleware, ServiceBroker } from "moleculer";
import type { NatsConnection } from "nats";
import { Counter, Gauge } from "prom-client";

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
export const brokerMetrics = [packets, bytes, writes, connected, pending] as const;

/** Reads the connection's present state into the gauges; call it before the metrics are written out. */
export function collectBrokerMetrics(broker: ServiceBroker): void {
  const transit = broker.transit as unknown as
    | { tx: { connected: boolean }; pendingRequests: ReadonlyMap<string, unknown> }
    | undefined;
  connected.set(transit?.tx.connected ? 1 : 0);
  pending.set(transit?.pendingRequests.size ?? 0);
}

interface Sending {
  readonly send: () => Promise<void>;
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

  transporterSend(next) {
    const sent = { packets: packets.labels("sent"), bytes: bytes.labels("sent") };
    const transporter = this as unknown as { client: NatsConnection | null };
    let gathered: Sending[] = [];

    function flush(): void {
      const sendings = gathered;
      gathered = [];
      writes.inc();
      for (const { send, resolve, reject } of sendings) send().then(resolve, reject);
    }

    return ((topic: string, data: Buffer, meta: object) => {
      // The client refuses these by throwing, and only if that happens at once is a caller told that its reply is one.
      if (data.length > (transporter.client?.info?.max_payload ?? data.length))
        return next(topic, data, meta);
      sent.packets.inc();
      sent.bytes.inc(data.length);
      return new Promise((resolve, reject) => {
        if (gathered.length === 0) setImmediate(flush);
        gathered.push({ send: async () => next(topic, data, meta), resolve, reject });
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
