import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type Slowness, slowLine } from "./slow-line.ts";

/** A TCP way to a server that can be broken in several manners, and mended. */
export interface TcpProxy {
  readonly port: number;
  /** How many connections were asked for so far. */
  readonly attempts: () => number;
  /** Swallows every byte, in both directions, on old and new connections; only that a side hangs up is passed on. */
  swallow(): void;
  /** The connections that there are lead nowhere from now on, and nobody is told; new ones are forwarded. */
  swallowOld(): void;
  /** The server gives those up, as it does in the end when nobody answers its keep-alive probes. */
  endSwallowed(): void;
  /** Forwards again what comes from now on, also on connections that are not lost; what was swallowed is gone. */
  forward(): void;
  /** Delays everything by so much, each way. */
  delay(milliseconds: number): void;
  /** Lets each connection carry no more than so much, each way. */
  slow(bytesPerSecond: number): void;
  /** Hangs up on all connections, once: in order, so that each side reads an end, or with a reset. */
  hangUp(how: "end" | "reset"): void;
  /** Hangs up on each new connection at once; the old ones go on. */
  refuseNew(): void;
  /** Cuts all connections, too. */
  refuse(): void;
  stop(): Promise<void>;
}

interface Way {
  readonly client: Socket;
  readonly upstream: Socket;
  isLost: boolean;
}

export async function startTcpProxy(target: {
  readonly host: string;
  readonly port: number;
}): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const ways = new Set<Way>();
  let manner: "forward" | "swallow" | "refuse" = "forward";
  const slowness: Slowness = { delayMs: 0, bytesPerSecond: 0 };
  let attempts = 0;

  function track(socket: Socket): Socket {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    return socket;
  }

  function join(way: Way, from: Socket, to: Socket): void {
    const isOpen = () => manner !== "swallow" && !way.isLost;
    const soon = slowLine(from, slowness);
    from.on("data", (data) => soon(data.length, () => isOpen() && to.writable && to.write(data)));
    from.on("end", () => soon(0, () => isOpen() && to.end()));
    from.on("close", () => soon(0, () => !way.isLost && to.destroy()));
  }

  const server = createServer((client) => {
    attempts += 1;
    track(client);
    if (manner === "refuse") return client.resetAndDestroy();
    if (manner === "swallow") return client.resume();
    const upstream = track(connect(target));
    const way = { client, upstream, isLost: false };
    ways.add(way);
    upstream.on("close", () => ways.delete(way));
    join(way, client, upstream);
    join(way, upstream, client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  return {
    port: (server.address() as AddressInfo).port,
    attempts: () => attempts,
    swallow() {
      manner = "swallow";
    },
    swallowOld() {
      for (const way of ways) way.isLost = true;
    },
    endSwallowed() {
      for (const { isLost, upstream } of ways) if (isLost) upstream.destroy();
    },
    forward() {
      manner = "forward";
      Object.assign(slowness, { delayMs: 0, bytesPerSecond: 0 });
    },
    delay(milliseconds) {
      slowness.delayMs = milliseconds;
    },
    slow(bytesPerSecond) {
      slowness.bytesPerSecond = bytesPerSecond;
    },
    hangUp(how) {
      for (const socket of sockets) {
        if (how === "reset") socket.resetAndDestroy();
        else socket.end();
      }
    },
    refuseNew() {
      manner = "refuse";
    },
    refuse() {
      manner = "refuse";
      for (const socket of sockets) socket.destroy();
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
