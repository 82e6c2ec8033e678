// A process that runs one or several services.
import { fork } from "node:child_process";
import { join } from "node:path";

export type ServiceProcess = {
  /** For messages: `gateway`, `portfolios 2`. */
  name: string;
  pid: number;
  metricsPort: number;
  /** Resolves once it serves. */
  ready: Promise<void>;
  /** Resolves with its exit code or signal when it ends, asked to or not. */
  ended: Promise<string>;
  stop(): Promise<void>;
  /** Ends it at once. */
  kill(): void;
};

/** More than the services allow themselves (SHUTDOWN_TIMEOUT_SECS, 20 unless set). */
export const stopTimeoutMs = 30_000;

/** Forks `services/main.ts` for these services. */
export function startServiceProcess(options: {
  root: string;
  name: string;
  services: readonly string[];
  metricsPort: number;
  environment: NodeJS.ProcessEnv;
}): ServiceProcess {
  const child = fork(join(options.root, "services", "main.ts"), options.services, {
    env: { ...options.environment, METRICS_PORT: String(options.metricsPort) },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    // A process group of its own: the starter alone gets the terminal's Ctrl-C and stops things in order.
    detached: true,
  });
  const ready = new Promise<void>((resolve) => {
    child.on("message", (message) => {
      if (message === "ready") resolve();
    });
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal === null ? `code ${code}` : `signal ${signal}`));
  });
  return {
    name: options.name,
    pid: child.pid ?? 0,
    metricsPort: options.metricsPort,
    ready,
    ended,
    stop: async () => {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
      await ended.finally(() => clearTimeout(timer));
    },
    kill: () => void child.kill("SIGKILL"),
  };
}
