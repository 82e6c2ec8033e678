import { obtainNatsServer, startNatsServer } from "../scripts/development/nats-server.ts";
import { ChaosError } from "./errors.ts";

/** A nats-server at a fixed port that may be treated badly; it keeps nothing, so each start is an empty one. */
export interface OwnNats {
  readonly url: string;
  readonly port: number;
  kill(): Promise<void>;
  start(): Promise<void>;
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export async function startOwnNats(log: (line: string) => void): Promise<OwnNats> {
  const binary = await obtainNatsServer({ log });
  if (!binary) {
    throw new ChaosError(
      "no nats-server on PATH, and none could be downloaded: install one (https://nats.io/download).",
    );
  }
  let server = await startNatsServer({ binary });
  const { url } = server;
  const port = Number(new URL(url).port);
  return {
    url,
    port,
    async kill() {
      process.kill(server.pid, "SIGKILL");
      await server.exited;
    },
    async start() {
      server = await startNatsServer({ binary, port });
    },
    freeze: () => void process.kill(server.pid, "SIGSTOP"),
    thaw: () => void process.kill(server.pid, "SIGCONT"),
    async stop() {
      await server.stop();
    },
  };
}
