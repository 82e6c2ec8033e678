import { type AddressInfo, connect, createServer, type Socket } from "node:net";

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
  let delayMs = 0;
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
    let delayed = 0;
    /** In order, also when the delay has changed meanwhile. */
    let last = Promise.resolve();
    function soon(act: () => void): void {
      if (delayMs === 0 && delayed === 0) return act();
      delayed += 1;
      const due = new Promise((resolve) => setTimeout(resolve, delayMs));
      last = Promise.all([last, due]).then(() => {
        delayed -= 1;
        act();
      });
    }
    from.on("data", (data) => soon(() => isOpen() && to.writable && to.write(data)));
    from.on("end", () => soon(() => isOpen() && to.end()));
    from.on("close", () => soon(() => !way.isLost && to.destroy()));
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
      delayMs = 0;
    },
    delay(milliseconds) {
      delayMs = milliseconds;
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
