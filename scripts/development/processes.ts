// What the scripts need to know about other processes and ports of this machine.
import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

const FIRST_CHOSEN_PORT = 15_000;
/** Linux' default for `net.ipv4.ip_local_port_range`; elsewhere it begins later. */
const FIRST_EPHEMERAL_PORT = 32_768;
const MAX_PORT_ATTEMPTS = 20;

/** Whether a process with this id runs; one that has ended and waits for its parent does not. */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // proc_pid_stat(5): the state is the first field after the command, which may hold anything, so count from its end.
  return !status.slice(status.lastIndexOf(")")).startsWith(") Z");
}

/** The command line of a process, "" when there is none to be seen. */
export async function commandLine(pid: number): Promise<string> {
  const listed = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => undefined);
  if (listed !== undefined) return listed.replaceAll("\0", " ").trim();
  const { stdout } = await run("ps", ["-ww", "-o", "args=", "-p", String(pid)]).catch(() => ({ stdout: "" }));
  return stdout.trim();
}

/** The process that started this one, undefined when there is none to be seen. */
export async function parentOf(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // ") S 4711 …": state and parent follow the command.
  if (status !== undefined) return Number(status.slice(status.lastIndexOf(")")).split(" ")[2]);
  const { stdout } = await run("ps", ["-o", "ppid=", "-p", String(pid)]).catch(() => ({ stdout: "" }));
  return Number(stdout) || undefined;
}

/** Waits until the process is gone; false when it is still there after the timeout. */
export async function waitForExit(pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (await isRunning(pid)) {
    if (performance.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

/** Sends one signal after the other, each with its time to work, until the process is gone. */
export async function stopProcess(
  pid: number,
  steps: ReadonlyArray<{ signal: NodeJS.Signals; timeoutMs: number }>,
): Promise<boolean> {
  for (const { signal, timeoutMs } of steps) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ESRCH") return true;
      throw error;
    }
    if (await waitForExit(pid, timeoutMs)) return true;
  }
  return false;
}

/** Whether a server could listen on this address now. */
export async function isPortFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  return typeof (await listenBriefly(port, host)) === "number";
}

/** Why no server can listen on this address, as the system's error code (EADDRINUSE, …); undefined when one can. */
export async function portProblem(port: number, host: string): Promise<string | undefined> {
  const outcome = await listenBriefly(port, host);
  return typeof outcome === "string" ? outcome : undefined;
}

/**
 * A port that is free at this moment; not one of those that systems choose for connections to others, because such a one
 * may be taken before it is used.
 */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  let outcome: number | string = "";
  for (let attempt = 0; attempt < MAX_PORT_ATTEMPTS; attempt += 1) {
    outcome = await listenBriefly(randomInt(FIRST_CHOSEN_PORT, FIRST_EPHEMERAL_PORT), host);
    if (typeof outcome === "number") return outcome;
  }
  throw new Error(`No free port on ${host} (${outcome})`);
}

function listenBriefly(port: number, host: string): Promise<number | string> {
  const { promise, resolve } = Promise.withResolvers<number | string>();
  const server = createServer()
    .once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    .listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : port));
    });
  return promise;
}
