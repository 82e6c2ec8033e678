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
const leftoverTimeoutMs = 60_000;
const endSteps = [
  { signal: "SIGTERM", timeoutMs: 5_000 },
  { signal: "SIGKILL", timeoutMs: 5_000 },
] as const;

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
  if (run && (await isAlive(run))) throw alreadyRuns(run);
  await endLeftovers(run?.processes ?? [], log);
  // Aside first: another start may have put its own file there since.
  const aside = `${file}.${process.pid}`;
  await rename(file, aside);
  const removed = await read(aside);
  if (removed && removed.pid !== run?.pid) {
    await rename(aside, file);
    throw alreadyRuns(removed);
  }
  await rm(aside);
}

function alreadyRuns({ pid }: Run): Error {
  return new Error(
    `The system already runs from this checkout (process ${pid}): stop that one with Ctrl-C or \`kill ${pid}\` first`,
  );
}

async function endLeftovers(pids: readonly number[], log: (line: string) => void): Promise<void> {
  const draining = await those(pids, /services\/main\.ts|development\/infrastructure\.ts/);
  if (draining.length > 0) log("waiting for an earlier run to end");
  const late = await Promise.all(
    draining.map(async (pid) => ((await waitForExit(pid, leftoverTimeoutMs)) ? [] : [pid])),
  );
  // A nats-server that is still there has lost the process that would have stopped it.
  for (const pid of [...late.flat(), ...(await those(pids, /nats-server/))]) await stopProcess(pid, endSteps);
}

/** By now an id may belong to some other program. */
async function those(pids: readonly number[], kind: RegExp): Promise<number[]> {
  const commands = await Promise.all(pids.map(commandLine));
  return pids.filter((_, index) => kind.test(commands[index] ?? ""));
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
