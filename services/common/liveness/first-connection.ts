import { setTimeout as delay } from "node:timers/promises";
import type { ServiceBroker } from "moleculer";
import type { Transporter } from "./parts.ts";

/** Between two attempts, and as much again at random: back within two seconds of the server's coming. */
const PAUSE_MS = 400;

/**
 * Moleculer waits for five seconds before it tries to reach a NATS server again that was not there at the start. This is
 * there sooner, and says why it is not, once per reason.
 */
export function connectPatiently(broker: ServiceBroker, tx: Transporter): void {
  const connect = tx.connect.bind(tx);
  tx.connect = async () => {
    let told: string | undefined;
    while (!broker.stopping) {
      try {
        return await connect();
      } catch (error) {
        const { message } = error as Error;
        if (message !== told) broker.logger.warn(`NATS cannot be reached: ${message}`);
        told = message;
        await delay(PAUSE_MS * (1 + Math.random()));
      }
    }
  };
}
