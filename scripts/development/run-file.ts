// `.data/run.json`: which `npm start` runs in this checkout, and how to reach it.
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { commandLine, isRunning, stopProcess, waitForExit } from "./processes.ts";

export type Run = {
  /** The starter's process. */
  pid: number;
  /** Everything it started. */
  processes: readonly number[];
  ready: boolean;
  /** Where tokens come from: the development issuer, or one outside that this project has no keys to. */
  tokens?: { endpoint: string } | { outside: string };
};

export type RunFile = { update(change: Partial<Omit<Run, "pid">>): Promise<void>; release(): Promise<void> };

/** Longer than services and PostgreSQL have for a graceful stop. */
const leftoverTimeoutMs = 30_000;
const ours = /services\/main\.ts|development\/infrastructure\.ts|nats-server/;

/** The run that the file tells of, if its starter is alive. */
export async function currentRun(dataFolder: string): Promise<Run | undefined> {
  const run = await read(fileIn(dataFolder));
  return run && (await isAlive(run)) ? run : undefined;
}

/** Takes the checkout for this process, after what a killed run left behind has ended. */
export async function claimRun(dataFolder: string, log: (line: string) => void): Promise<RunFile> {
  const file = fileIn(dataFolder);
  await mkdir(dataFolder, { recursive: true });
  let run: Run = { pid: process.pid, processes: [], ready: false };
  const create = () => writeFile(file, JSON.stringify(run), { flag: "wx", mode: 0o600 });
  await create().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
    await removeStale(file, log);
    await create();
  });
  // One write after the other, so that the last one stands.
  let written = Promise.resolve();
  return {
    update: (change) => {
      run = { ...run, ...change };
      written = written.then(() => replace(file, run));
      return written;
    },
    release: async () => {
      await written;
      await rm(file, { force: true });
    },
  };
}

async function replace(file: string, run: Run): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(run), { mode: 0o600 });
  await rename(`${file}.new`, file);
}

async function removeStale(file: string, log: (line: string) => void): Promise<void> {
  const run = await read(file);
  if (run && (await isAlive(run))) {
    throw new Error(
      `The system already runs from this checkout (process ${run.pid}): stop that one with Ctrl-C or \`kill ${run.pid}\` first`,
    );
  }
  await Promise.all((run?.processes ?? []).map((pid) => endLeftover(pid, log)));
  await rm(file, { force: true });
}

async function endLeftover(pid: number, log: (line: string) => void): Promise<void> {
  // By now the id may belong to some other program.
  if (!(await isRunning(pid)) || !ours.test(await commandLine(pid))) return;
  log(`waiting for process ${pid} of an earlier run to end`);
  const orphanedServer = /nats-server/.test(await commandLine(pid));
  if (!orphanedServer && (await waitForExit(pid, leftoverTimeoutMs))) return;
  await stopProcess(pid, [
    { signal: "SIGTERM", timeoutMs: 5_000 },
    { signal: "SIGKILL", timeoutMs: 5_000 },
  ]);
}

async function isAlive(run: Run): Promise<boolean> {
  return (await isRunning(run.pid)) && /scripts\/start\.ts/.test(await commandLine(run.pid));
}

async function read(file: string): Promise<Run | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  try {
    return JSON.parse(text) as Run;
  } catch {
    // Killed while it was written: says nothing.
    return undefined;
  }
}

function fileIn(dataFolder: string): string {
  return join(dataFolder, "run.json");
}
