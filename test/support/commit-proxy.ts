import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** When the way to the database falls silent: when a commit is about to reach it, or when it has confirmed one. */
export type Moment = "before" | "after";

/** A TCP way to PostgreSQL on which one commit stays without an answer, so that its process can be killed there. */
export interface CommitProxy {
  /** The database's URL, through the proxy. */
  readonly url: string;
  /** When it has come to that. */
  readonly held: Promise<void>;
  stop(): Promise<void>;
}

/** @param marker a text in a statement of the transaction that is meant. */
export async function startCommitProxy(
  databaseUrl: string,
  marker: string,
  moment: Moment,
): Promise<CommitProxy> {
  const target = new URL(databaseUrl);
  const held = Promise.withResolvers<void>();
  const sockets = new Set<Socket>();
  function track(socket: Socket): Socket {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    return socket;
  }

  const server = createServer((client) => {
    const upstream = track(connect(Number(target.port), target.hostname));
    track(client);
    let isMeant = false;
    let isHeld = false;
    function pass(to: Socket, data: Buffer, isCommit: boolean): void {
      if (isMeant && isCommit) {
        isHeld = true;
        held.resolve();
      }
      if (!isHeld) to.write(data);
    }
    client.on("data", (data) => {
      isMeant ||= data.includes(marker);
      pass(upstream, data, moment === "before" && data.includes("commit\0"));
    });
    upstream.on("data", (data) => pass(client, data, moment === "after" && data.includes("COMMIT\0")));
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(databaseUrl);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    held: held.promise,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
