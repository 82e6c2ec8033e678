import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../scripts/development/processes.ts";
import { ChaosError } from "./errors.ts";

const MAIN = fileURLToPath(new URL("../services/main.ts", import.meta.url));
const PRELOADED = new URL("collect-garbage.ts", import.meta.url).href;
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 40_000;
const ANSWER_TIMEOUT_MS = 10_000;
const SHOWN_LOG_CHARACTERS = 3_000;

/** What a stop logs, in this order. */
const STOP_STEPS = [
  "not ready any more",
  "telling clients to close",
  "taking no more requests",
  "left the broker",
  "pools closed, exit 0",
];

export interface ReplicaOptions {
  readonly service: string;
  /** Where it stands: `portfolios-1`. The one that replaces it has the same. */
  readonly slot: string;
  /** All of it: nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
}

/** A running process of one service. */
export interface Replica {
  readonly service: string;
  readonly slot: string;
  readonly pid: number;
  /** Where its /metrics, /health and /ready are. */
  readonly metricsUrl: string;
  /** Of a gateway: its API. */
  readonly url: string | undefined;
  readonly isRunning: () => boolean;
  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
  /** What is left of its heap when its garbage has been collected. */
  keptHeapBytes(): Promise<number>;
  /** Ends it as an operator would. @returns what was wrong with how it ended. */
  stop(): Promise<string | undefined>;
  readonly exited: Promise<void>;
}

/** Starts a process of `services/main.ts`; it serves on return. */
export async function startReplica({
  service,
  slot,
  environment,
  logFile,
}: ReplicaOptions): Promise<Replica> {
  const metricsPort = await freePort();
  const port = service === "gateway" ? await freePort() : undefined;
  const log = openSync(logFile, "a");
  const child = fork(MAIN, [service], {
    env: {
      ...environment,
      METRICS_PORT: String(metricsPort),
      ...(port !== undefined && { SERVER_PORT: String(port) }),
    },
    execArgv: ["--import", PRELOADED],
    stdio: ["ignore", log, log, "ipc"],
    // A process group of its own: Ctrl-C reaches the main process, which stops the others in order.
    detached: true,
  });
  closeSync(log);
  const { pid } = child;
  if (pid === undefined) throw new ChaosError(`${slot} did not start.`);
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await untilReady(child, slot, logFile);
  return {
    service,
    slot,
    pid,
    metricsUrl: `http://127.0.0.1:${metricsPort}`,
    url: port === undefined ? undefined : `http://127.0.0.1:${port}`,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    signal: (signal) => void child.kill(signal),
    async keptHeapBytes() {
      child.send("kept heap?");
      const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
      const [answer] = (await once(child, "message", { signal })) as [{ keptHeapBytes: number }];
      return answer.keptHeapBytes;
    },
    exited,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return undefined;
      child.kill("SIGCONT");
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(timer);
      if (child.exitCode !== 0) return `${slot} ended with ${child.signalCode ?? child.exitCode}`;
      return stopOrderFault(slot, readFileSync(logFile, "utf8"));
    },
  };
}

function stopOrderFault(slot: string, log: string): string | undefined {
  const positions = STOP_STEPS.map((step) => log.indexOf(step));
  const isInOrder = positions.every((at, index) => at > (positions[index - 1] ?? -1));
  return isInOrder ? undefined : `${slot} did not log its stop in order`;
}

function untilReady(child: ChildProcess, slot: string, logFile: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (what: string) => {
      const words = readFileSync(logFile, "utf8").slice(-SHOWN_LOG_CHARACTERS);
      reject(new ChaosError(`${slot} ${what}. Its last words:\n${words}`));
    };
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail(`was not ready within ${READY_TIMEOUT_MS / 1000} s`);
    }, READY_TIMEOUT_MS);
    child.once("error", (error) => fail(`did not start: ${error.message}`));
    child.once("exit", () => {
      clearTimeout(timer);
      fail("ended before it was ready");
    });
    child.on("message", (message) => {
      if (message !== "ready") return;
      clearTimeout(timer);
      resolve();
    });
  });
}

/** A file for what the n-th process of a slot writes. */
export function logFileOf(folder: string, slot: string, number: number): string {
  return join(folder, `${slot}.${number}.log`);
}
