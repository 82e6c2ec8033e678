import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../../scripts/development/processes.ts";
import { dataOf } from "../rules/shutdown.ts";
import type { Document } from "../support/documents.ts";
import { until } from "../support/live.ts";
import { obtainPgBouncer } from "./binary.ts";

export interface PgBouncer {
  readonly port: number;
  readonly process: ChildProcess;
  /** The same connection string, by way of it. */
  through(databaseUrl: string): string;
  log(): string;
  stop(): Promise<void>;
}

export interface PgBouncerOptions {
  /** PostgreSQL's address; the services' databases are there. */
  readonly serverUrl: string;
  /** `"user" "secret"` for each that may come. */
  readonly users: string;
  /** Settings in place of the overlay's own. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** A real PgBouncer with an overlay's own configuration, but for the addresses of this machine. */
export async function startPgBouncer(
  documents: readonly Document[],
  { serverUrl, users, settings = {} }: PgBouncerOptions,
): Promise<PgBouncer> {
  const [program, ...before] = await obtainPgBouncer();
  const [folder, port] = await Promise.all([mkdtemp(join(tmpdir(), "butler-pgbouncer-")), freePort()]);
  await chmod(folder, 0o755);
  const server = new URL(serverUrl);
  const here = {
    "\\*": `host=${server.hostname} port=${server.port}`,
    listen_addr: "127.0.0.1",
    listen_port: port,
    auth_file: join(folder, "userlist.txt"),
    ...settings,
  };
  await writeFile(join(folder, "userlist.txt"), users, { mode: 0o644 });
  await writeFile(join(folder, "pgbouncer.ini"), withSettings(dataOf(documents, "pgbouncer.ini"), here));
  // It refuses to be root.
  const account = process.getuid?.() === 0 ? ["--user", "nobody"] : [];
  const pgbouncer = spawn(program, [...before, ...account, join(folder, "pgbouncer.ini")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  pgbouncer.stderr.setEncoding("utf8").on("data", (text: string) => {
    log += text;
  });
  const exited = once(pgbouncer, "exit");
  const isUp = () => canConnect(port);
  await Promise.race([
    until(isUp),
    exited.then(() => {
      throw new Error(`PgBouncer did not start:\n${log}`);
    }),
  ]);
  return {
    port,
    process: pgbouncer,
    through(databaseUrl) {
      const url = new URL(databaseUrl);
      url.port = String(port);
      return url.href;
    },
    log: () => log,
    async stop() {
      if (pgbouncer.exitCode === null && pgbouncer.signalCode === null) pgbouncer.kill("SIGQUIT");
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** @throws when there is no such setting to change. */
function withSettings(ini: string, settings: Readonly<Record<string, string | number>>): string {
  return Object.entries(settings).reduce((text, [name, value]) => {
    const line = new RegExp(`^(${name}) =.*$`, "m");
    if (!line.test(text)) throw new Error(`pgbouncer.ini does not set ${name}.`);
    return text.replace(line, `$1 = ${value}`);
  }, ini);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
