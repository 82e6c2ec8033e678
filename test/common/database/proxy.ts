import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A TCP way to PostgreSQL that can be broken in several manners. */
export interface BreakableWay {
  /** The database's URL, through the proxy. */
  readonly url: string;
  /** How many connections were asked for so far. */
  readonly attempts: () => number;
  /** Swallows everything, in both directions, on old and new connections; nobody is told. */
  swallow(): void;
  /** Forwards again what comes from now on; what was swallowed is lost. */
  forward(): void;
  /** Hangs up on each new connection at once; the old ones go on. */
  refuseNew(): void;
  /** Cuts all connections, too. */
  refuse(): void;
  stop(): Promise<void>;
}

export async function startProxy(databaseUrl: string): Promise<BreakableWay> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let manner: "forward" | "swallow" | "refuse" = "forward";
  let attempts = 0;

  function track(socket: Socket): Socket {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    return socket;
  }

  const server = createServer((client) => {
    attempts += 1;
    track(client);
    if (manner === "refuse") return client.resetAndDestroy();
    if (manner === "swallow") return client.resume();
    const upstream = track(connect(Number(target.port), target.hostname));
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on("data", (data) => manner !== "swallow" && to.write(data));
      from.on("end", () => manner !== "swallow" && to.end());
      from.on("close", () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(databaseUrl);
  url.port = String((server.address() as AddressInfo).port);

  return {
    url: url.href,
    attempts: () => attempts,
    swallow() {
      manner = "swallow";
    },
    forward() {
      manner = "forward";
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
