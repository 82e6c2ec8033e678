import { type ChildProcess, fork } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BenchError } from "./errors.ts";

const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 5_000;
const SHOWN_LOG_LINES_MAX = 20;

export interface ChildOptions {
  readonly name: string;
  /** Absolute path of the module to run, and its arguments. */
  readonly module: string;
  readonly arguments?: readonly string[];
  /** All of it: nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>;
  readonly logFolder: string;
  /** URL of a module that is loaded before it. */
  readonly preload?: string;
}

export interface Child {
  readonly name: string;
  readonly pid: number;
  /** Why it has ended, as long as nobody asked it to; undefined while it runs. */
  fault(): string | undefined;
  /** Asks what was preloaded into it, which answers with `{ answer: <the question>, value }`. */
  ask(question: string): Promise<number>;
  stop(): Promise<void>;
}

/**
 * Starts a process that says "ready" when it is, and keeps its output in a file.
 * @throws with the last lines of that output when it ends or says nothing in time.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const logFile = join(options.logFolder, `${options.name}.log`);
  const log = openSync(logFile, "a");
  const started = fork(options.module, [...(options.arguments ?? [])], {
    env: options.environment,
    execArgv: options.preload ? ["--import", options.preload] : [],
    stdio: ["ignore", log, log, "ipc"],
    // A process group of its own: Ctrl-C in the terminal reaches the bench, which stops the others in order.
    detached: true,
  });
  closeSync(log);
  const { name } = options;
  let stopping = false;
  const ended = new Promise<string>((resolve) => {
    started.once("error", (error) => resolve(`${name} did not start: ${error.message}`));
    started.once("exit", (code, signal) => resolve(`${name} ended (${signal ?? `exit code ${code}`})`));
  });
  let fault: string | undefined;
  void ended.then((reason) => {
    if (!stopping) fault = withLog(reason, logFile);
  });

  async function stop(): Promise<void> {
    stopping = true;
    if (started.exitCode !== null || started.signalCode !== null || started.pid === undefined) return;
    started.kill("SIGTERM");
    const timer = setTimeout(() => started.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  }

  try {
    await untilReady(name, started, ended);
  } catch (error) {
    await stop();
    throw new BenchError(withLog((error as Error).message, logFile));
  }
  const ask = (question: string) => answerOf(name, started, question);
  return { name, pid: started.pid as number, fault: () => fault, ask, stop };
}

function untilReady(name: string, child: ChildProcess, ended: Promise<string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new BenchError(`${name} was not ready within ${READY_TIMEOUT_MS / 1000} s`)),
      READY_TIMEOUT_MS,
    );
    const settle = (act: () => void) => {
      clearTimeout(timer);
      child.off("message", onMessage);
      act();
    };
    const onMessage = (message: unknown) => {
      if (message === "ready") settle(resolve);
    };
    child.on("message", onMessage);
    void ended.then((reason) => settle(() => reject(new BenchError(reason))));
  });
}

function answerOf(name: string, child: ChildProcess, question: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      clearTimeout(timer);
      child.off("message", onMessage);
      act();
    };
    const onMessage = (message: { readonly answer?: unknown; readonly value?: unknown }) => {
      if (message.answer === question) settle(() => resolve(Number(message.value)));
    };
    const timer = setTimeout(
      () =>
        settle(() =>
          reject(new BenchError(`${name} did not answer "${question}" in ${ANSWER_TIMEOUT_MS / 1000} s.`)),
        ),
      ANSWER_TIMEOUT_MS,
    );
    child.on("message", onMessage);
    child.send(
      question,
      (error) => error && settle(() => reject(new BenchError(`${name}: ${error.message}`))),
    );
  });
}

function withLog(reason: string, logFile: string): string {
  const lines = readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-SHOWN_LOG_LINES_MAX);
  if (lines.join("") === "") return `${reason}. It printed nothing.`;
  return [`${reason}. The last lines of its output:`, ...lines.map((line) => `  ${line}`)].join("\n");
}
