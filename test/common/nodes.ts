import { randomBytes } from "node:crypto";
import { type Middleware, ServiceBroker, type ServiceSchema } from "moleculer";
import { brokerOptions } from "../../moleculer.config.ts";
import { readProcessConfig } from "../../services/common/broker-config.ts";

/** Brokers that find each other over NATS, set up as those of real processes are. */
export interface Nodes {
  /** Starts one more, with these services, and these middlewares beside its own. */
  start(services?: readonly ServiceSchema[], middlewares?: readonly Middleware[]): Promise<ServiceBroker>;
  stop(): Promise<void>;
}

/** @param natsUrl the test run's server unless stated. */
export function natsNodes(natsUrl = process.env.TEST_NATS_URL as string): Nodes {
  const namespace = `test-${randomBytes(6).toString("hex")}`;
  const started: ServiceBroker[] = [];
  return {
    async start(services = [], middlewares = []) {
      const config = readProcessConfig({ NATS_URL: natsUrl, NATS_NAMESPACE: namespace });
      const options = brokerOptions(`node-${started.length}`, config);
      const broker = new ServiceBroker({
        ...options,
        logger: false,
        middlewares: [...(options.middlewares ?? []), ...middlewares],
      });
      for (const service of services) broker.createService(service);
      await broker.start();
      started.push(broker);
      // Each has to know the others' services before it can call them.
      for (const node of started) {
        for (const { name } of services) await node.waitForServices(name, 10_000);
      }
      return broker;
    },
    async stop() {
      await Promise.all(started.map((broker) => broker.stop()));
    },
  };
}
