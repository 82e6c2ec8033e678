import { setTimeout as delay } from "node:timers/promises";
import type { NatsConnection } from "nats";
import { type NatsTransport, partsOf, type Transporter } from "./parts.ts";

const PROBE_INTERVAL_MS = 400;
/** A server that takes longer for a round trip counts as gone. */
const ROUND_TRIP_TIMEOUT_MS = 800;
/** After this process itself stood still, the timer comes before what waits in the socket. */
const SECOND_LOOK_MS = 100;
/** A process that was working for more than this share of the time may be behind with reading. */
const BUSY_SHARE = 0.9;
const MAX_ROUNDS = 10;
/** For one attempt to connect again; with the next one right behind it, back within two seconds of the server's return. */
const DIAL_TIMEOUT_MS = 1_200;

/**
 * Finds out within 1.3 s that the NATS server does not answer (frozen, or its network silent: the client itself would take
 * several times as long), by a round trip about twice a second, and makes the client connect anew. Ends with the connection.
 * @param lost told when the server does not answer.
 */
export async function probe(
  tx: Transporter,
  client: NatsConnection,
  lost: (reason: string) => void,
): Promise<void> {
  const { options, protocol } = partsOf(client);
  // The first connection, at a start with much else to do, had more time.
  options.timeout = DIAL_TIMEOUT_MS;
  let { transport } = protocol;
  while (!client.isClosed()) {
    await delay(PROBE_INTERVAL_MS, undefined, { ref: false });
    if (protocol.transport !== transport) {
      // The client forgets attempts that took too long, but leaves their sockets open.
      forget(transport);
      transport = protocol.transport;
    }
    if (!tx.connected || client.isClosed() || (await answers(client))) continue;
    // It may have been found gone meanwhile, and even be back.
    if (!tx.connected || protocol.transport !== transport) continue;
    lost(`no answer within ${ROUND_TRIP_TIMEOUT_MS} ms`);
    // Not the client's own way: it waits for what was written last to be sent, which may never be.
    cut(transport);
  }
}

/**
 * False when the server takes too long; a connection that is lost meanwhile, the client tells of itself. Where this
 * process does not keep up with what comes, the answer only waits behind that.
 */
async function answers(client: NatsConnection): Promise<boolean> {
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  const answered = client.flush().then(end, end);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const { inMsgs } = client.stats();
    const before = performance.eventLoopUtilization();
    for (const limitMs of [ROUND_TRIP_TIMEOUT_MS, SECOND_LOOK_MS]) {
      await Promise.race([answered, delay(limitMs, undefined, { ref: false })]);
      if (isOver) return true;
    }
    const { utilization } = performance.eventLoopUtilization(before);
    if (client.stats().inMsgs === inMsgs || utilization < BUSY_SHARE) return false;
  }
  return false;
}

/** Unheard: what the client still listens for on it, it would take for the loss of the connection that it has now. */
function forget({ socket }: NatsTransport): void {
  socket?.removeAllListeners();
  socket?.on("error", () => undefined);
  socket?.destroy();
}

function cut({ socket }: NatsTransport): void {
  socket?.destroy();
}
