// A PostgreSQL server from the binaries of an npm package, for development and tests.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, chown, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Installation, prepareInstallation } from "./postgres-installation.ts";
import { commandLine, freePort, stopProcess } from "./processes.ts";

const run = promisify(execFile);

const initdbTimeoutMs = 60_000;
const startTimeoutMs = 30_000;
const startAttemptsMax = 4;
const keptLogLinesMax = 40;

/** SIGINT is PostgreSQL's fast shutdown (rolls back, writes a checkpoint), SIGQUIT the immediate one. */
const stopSteps = [
  { signal: "SIGINT", timeoutMs: 10_000 },
  { signal: "SIGQUIT", timeoutMs: 5_000 },
  { signal: "SIGKILL", timeoutMs: 5_000 },
] as const;

const forgetful = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };

export type PostgresOptions = {
  /** Where data and password live between runs. */
  folder: string;
  /** A free one is chosen when it is left out. */
  port?: number;
  /** false: faster, and a crash of the machine may lose everything; for tests. */
  durable?: boolean;
  /** Further settings of the server, as in postgresql.conf. */
  settings?: Record<string, string>;
  log?: (line: string) => void;
};

export type PostgresServer = {
  /** The superuser's address, database `postgres`. Holds the password: not for logs. */
  url: string;
  port: number;
  pid: number;
  /** Resolves with the server's last words when it ends, asked to or not. */
  exited: Promise<string>;
  stop(): Promise<void>;
};

/**
 * Starts PostgreSQL on the data in the folder, which the first start creates. Listens on 127.0.0.1 only. A server that
 * a killed run left on this folder is stopped first.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const log = options.log ?? (() => {});
  const durable = options.durable ?? true;
  const installation = await prepareInstallation(options.folder, log);
  const data = join(installation.folder, "data");
  const password = await obtainPassword(installation);
  await stopStaleServer(data, log);
  if (!(await exists(join(data, "PG_VERSION")))) await initialise(installation, data, durable);
  const settings = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "400",
    timezone: "UTC",
    log_timezone: "UTC",
    ...(durable ? {} : forgetful),
    ...options.settings,
  };
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const started = await launch(installation, data, { ...settings, port: String(port) });
    if (!("failure" in started)) {
      const url = `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`;
      return { url, port, pid: started.pid, exited: started.exited, stop: () => stop(started) };
    }
    // Someone else may have taken the free port, or workers of a killed server may need a moment to notice.
    const passing = /shared memory block/.test(started.failure);
    const portLost = options.port === undefined && /Address already in use/.test(started.failure);
    if (attempt === startAttemptsMax || !(passing || portLost)) {
      throw new Error(`PostgreSQL did not start on ${data}, port ${port}:\n${started.failure}`);
    }
    await new Promise((resolve) => setTimeout(resolve, passing ? 500 : 0));
  }
}

type Running = { pid: number; exited: Promise<string> };

async function launch(
  installation: Installation,
  data: string,
  settings: Record<string, string>,
): Promise<Running | { failure: string }> {
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = spawn(join(installation.native, "bin", "postgres"), ["-D", data, ...flags], {
    ...installation.account,
    cwd: installation.folder,
    env: { LC_ALL: "C" },
    stdio: ["ignore", "ignore", "pipe"],
    // A process group of its own: Ctrl-C in the terminal must not reach it before the services are drained.
    detached: true,
  });
  const lines = lastLines(server);
  const exited = new Promise<string>((resolve) => {
    server.once("error", (error) => resolve(String(error)));
    server.once("close", (code, signal) => resolve([...lines, `exit: ${signal ?? code}`].join("\n")));
  });
  const ready = new Promise<"ready">((resolve) => {
    server.stderr?.on("data", () => {
      if (lines.some((line) => line.includes("ready to accept connections"))) resolve("ready");
    });
  });
  const timer = setTimeout(() => server.kill("SIGQUIT"), startTimeoutMs);
  const outcome = await Promise.race([ready, exited]).finally(() => clearTimeout(timer));
  if (outcome !== "ready" || server.pid === undefined) return { failure: outcome };
  return { pid: server.pid, exited };
}

function lastLines(server: ChildProcess): string[] {
  const lines: string[] = [];
  let rest = "";
  server.stderr?.setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
    lines.splice(0, lines.length - keptLogLinesMax);
  });
  return lines;
}

async function stop(running: Running): Promise<void> {
  if (!(await stopProcess(running.pid, stopSteps))) {
    throw new Error(`PostgreSQL (process ${running.pid}) does not stop, not even by SIGKILL`);
  }
  await running.exited;
}

async function initialise(installation: Installation, data: string, durable: boolean): Promise<void> {
  // What an interrupted first start left behind: without PG_VERSION it never held anything.
  await rm(data, { recursive: true, force: true });
  await mkdir(data, { mode: 0o700 });
  const { account } = installation;
  if (account) await chown(data, account.uid, account.gid);
  const passwordFile = join(installation.folder, "password");
  if (account) await chown(passwordFile, account.uid, account.gid);
  const flags = [
    `--pgdata=${data}`,
    "--username=postgres",
    "--auth=scram-sha-256",
    `--pwfile=${passwordFile}`,
    "--encoding=UTF8",
    // The same order of text on every machine, whatever locales it has.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    ...(durable ? [] : ["--no-sync"]),
  ];
  await run(join(installation.native, "bin", "initdb"), flags, {
    ...account,
    cwd: installation.folder,
    env: { LC_ALL: "C" },
    timeout: initdbTimeoutMs,
  }).catch(async (error: Error & { stdout?: string; stderr?: string }) => {
    await rm(data, { recursive: true, force: true });
    throw new Error(
      `PostgreSQL could not create its data in ${data}: ${error.stderr || error.stdout || error.message}`,
    );
  });
}

async function obtainPassword(installation: Installation): Promise<string> {
  const file = join(installation.folder, "password");
  const kept = (await readFile(file, "utf8").catch(() => "")).trim();
  if (kept) return kept;
  if (await exists(join(installation.folder, "data", "PG_VERSION"))) {
    throw new Error(
      `${file} is missing, and the data beside it cannot be opened without: restore it or delete ${installation.folder}`,
    );
  }
  const password = randomBytes(24).toString("base64url");
  await writeFile(file, `${password}\n`, { mode: 0o600 });
  return password;
}

async function stopStaleServer(data: string, log: (line: string) => void): Promise<void> {
  const file = join(data, "postmaster.pid");
  const pid = Number.parseInt((await readFile(file, "utf8").catch(() => "")).split("\n")[0] ?? "", 10);
  if (!Number.isInteger(pid) || pid <= 1) return;
  const command = await commandLine(pid);
  if (!command.includes(`postgres -D ${data} `)) {
    // Dead, and perhaps its id belongs to another program by now; PostgreSQL would take that for a rival. Should
    // workers of the dead server still live, it notices by the shared memory that they hold.
    await rm(file, { force: true });
    return;
  }
  log(`stopping the PostgreSQL that an earlier run left behind (process ${pid})`);
  if (!(await stopProcess(pid, stopSteps))) {
    throw new Error(`An earlier PostgreSQL (process ${pid}) holds ${data} and does not stop: end it by hand`);
  }
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
