// The starter's side of the infrastructure process.
import { fork } from "node:child_process";
import { join } from "node:path";
import type { Order, Parts, Report } from "./infrastructure.ts";
import { stopProcess } from "./processes.ts";

type Reported<Kind extends Report["report"]> = Promise<Extract<Report, { report: Kind }>>;

export type Infrastructure = {
  /** The process, and as they start the servers that it owns. */
  pids: readonly number[];
  /** Each resolves when that part serves; never, when it was not asked for. */
  postgres: Reported<"postgres">;
  nats: Reported<"nats">;
  issuer: Reported<"issuer">;
  /** Resolves with the reason when a part, or the process itself, ends unasked. */
  failed: Promise<string>;
  /** Tells it which processes use the parts, to be waited for should this process die. */
  watch(pids: readonly number[]): void;
  stop(): Promise<void>;
};

const stopTimeoutMs = 25_000;

/** Forks the process and starts the parts in it, all at once. */
export function startInfrastructure(options: {
  parts: Parts;
  environment: NodeJS.ProcessEnv;
  log: (line: string) => void;
}): Infrastructure {
  const child = fork(join(import.meta.dirname, "infrastructure.ts"), {
    env: options.environment,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    detached: true,
  });
  const postgres = Promise.withResolvers<Extract<Report, { report: "postgres" }>>();
  const nats = Promise.withResolvers<Extract<Report, { report: "nats" }>>();
  const issuer = Promise.withResolvers<Extract<Report, { report: "issuer" }>>();
  const failed = Promise.withResolvers<string>();
  const pids = [child.pid ?? 0];
  child.on("message", (message: Report) => {
    if ("pid" in message && message.pid !== undefined) pids.push(message.pid);
    if (message.report === "postgres") postgres.resolve(message);
    else if (message.report === "nats") nats.resolve(message);
    else if (message.report === "issuer") issuer.resolve(message);
    else if (message.report === "failed") failed.resolve(message.message);
    else options.log(message.line);
  });
  const exited = new Promise<void>((resolve) => {
    const end = (how: string) => {
      failed.resolve(`the process of PostgreSQL, nats-server and the issuer ended (${how})`);
      resolve();
    };
    child.once("error", (error) => end(error.message));
    child.once("exit", (code, signal) => end(String(signal ?? code)));
  });
  const send = (order: Order) => {
    if (child.connected) child.send(order, () => {});
  };
  send({ order: "start", ...options.parts });
  return {
    pids,
    postgres: postgres.promise,
    nats: nats.promise,
    issuer: issuer.promise,
    failed: failed.promise,
    watch: (pids) => send({ order: "watch", pids }),
    stop: async () => {
      send({ order: "stop" });
      const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
      await exited.finally(() => clearTimeout(timer));
      // Nothing to do after an orderly stop; after a violent one this ends what it left behind.
      for (const pid of pids.slice(1)) {
        await stopProcess(pid, [
          { signal: "SIGINT", timeoutMs: 10_000 },
          { signal: "SIGKILL", timeoutMs: 5_000 },
        ]);
      }
    },
  };
}
