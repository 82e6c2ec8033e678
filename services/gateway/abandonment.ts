import { randomBytes } from "node:crypto";
import type { ServiceBroker } from "moleculer";
import { MAX_ABANDONED_AT_ONCE, REQUESTS_ABANDONED, type Ticket } from "../common/deadline-wire.ts";

/** The gateway's account of who waits for what. */
export interface Abandonment {
  /** A ticket for a request that has so much time. */
  ticket(timeoutMs: number): Ticket;
  /** Nobody waits for it any more: whoever works for it is told, soon and in one message with others. */
  abandoned(ticket: Ticket): void;
}

/** Tells all services of requests whose clients have left, so that they do nothing more for them. */
export function abandonment(broker: Pick<ServiceBroker, "nodeID" | "broadcast" | "logger">): Abandonment {
  // A process that is started again may have the node id of the one before.
  const start = randomBytes(6).toString("base64url");
  let count = 0;
  let gathered: string[] = [];

  function tell(): void {
    const ids = gathered;
    gathered = [];
    for (let at = 0; at < ids.length; at += MAX_ABANDONED_AT_ONCE) {
      broker
        .broadcast(REQUESTS_ABANDONED, { ids: ids.slice(at, at + MAX_ABANDONED_AT_ONCE) })
        // Their time limits hold all the same.
        .catch((error) => broker.logger.warn("Services could not be told of abandoned requests.", error));
    }
  }

  return {
    ticket(timeoutMs) {
      count += 1;
      return { id: `${broker.nodeID}#${start}${count}`, until: Math.ceil(Date.now() + timeoutMs) };
    },
    abandoned({ id }) {
      if (gathered.length === 0) setImmediate(tell);
      gathered.push(id);
    },
  };
}
