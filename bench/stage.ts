import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { provisionDatabases } from "../scripts/development/databases.ts";
import { obtainNatsServer } from "../scripts/development/nats-server.ts";
import { startPostgres } from "../scripts/development/postgres.ts";
import { BenchError } from "./errors.ts";
import { type Issuer, startIssuer } from "./issuer.ts";
import type { Progress } from "./progress.ts";
import { faultOnEnd, type Keep } from "./system.ts";

const DATABASE = "bench";
/** What the processes get of this one's environment: settings of the shell must not change what is measured. */
const INHERITED = ["PATH", "HOME", "TMPDIR", "LANG", "SystemRoot", "TEMP", "TMP"];

export interface StageOptions {
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly keep: Keep;
  /** What PostgreSQL is to allow. */
  readonly serverConnectionsMax: number;
}

/** What systems are started on: a folder, PostgreSQL with a database for each service, nats-server's program, an issuer. */
export interface Stage {
  readonly folder: string;
  readonly natsBinary: string;
  readonly databaseUrl: string;
  readonly databaseUrls: Readonly<Record<string, string>>;
  readonly postgresPid: number;
  /** Why PostgreSQL has ended; undefined while it runs. */
  readonly postgresFault: () => string | undefined;
  readonly issuer: Issuer;
  /** What any process needs from its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** A superuser's connection to the database. */
  readonly admin: pg.Client;
  readonly machine: Machine;
}

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly node: string;
  readonly postgresql: string;
  readonly nats: string;
}

/** Starts all that the systems need, and nothing of them. */
export async function startStage({
  progress,
  signal,
  keep,
  serverConnectionsMax,
}: StageOptions): Promise<Stage> {
  const natsBinary = await obtainNatsServer({ log: (line) => progress.step(line) });
  if (!natsBinary) {
    throw new BenchError(
      "no nats-server on PATH, and none could be downloaded: install one (https://nats.io/download).",
    );
  }
  const folder = await mkdtemp(join(tmpdir(), "crypto-pocket-butler-bench-"));
  keep(() => rm(folder, { recursive: true, force: true }));
  // PostgreSQL may run as another user, who has to get through to its folder.
  await chmod(folder, 0o711);
  const postgres = await startPostgres({
    folder: join(folder, "postgres"),
    durable: true,
    settings: { max_connections: String(serverConnectionsMax) },
  });
  keep(() => postgres.stop());
  const postgresFault = faultOnEnd("PostgreSQL", postgres.exited);
  signal.throwIfAborted();

  const databaseUrls = await provisionDatabases({
    adminUrl: postgres.url,
    database: DATABASE,
    services: ["auth", "users", "portfolios", "accounts", "market"],
  });
  const databaseUrl = Object.assign(new URL(postgres.url), { pathname: `/${DATABASE}` }).href;
  const issuer = await startIssuer();
  keep(() => issuer.stop());
  const environment = Object.fromEntries(
    INHERITED.map((name) => [name, process.env[name] ?? ""]).filter((entry) => entry[1]),
  );
  const admin = new pg.Client({ connectionString: databaseUrl, application_name: "bench" });
  // A lost connection also fails the statement that is under way; without a listener it would end this process at once.
  admin.on("error", () => {});
  await admin.connect();
  keep(() => admin.end());
  return {
    folder,
    natsBinary,
    databaseUrl,
    databaseUrls,
    postgresPid: postgres.pid,
    postgresFault,
    issuer,
    environment,
    admin,
    machine: await machineOf(admin, natsBinary),
  };
}

async function machineOf(admin: pg.Client, natsBinary: string): Promise<Machine> {
  const { rows } = await admin.query<{ server_version: string }>("show server_version");
  const { stdout } = await promisify(execFile)(natsBinary, ["--version"]);
  const processors = cpus();
  return {
    cores: processors.length,
    processor: processors[0]?.model.trim() || process.arch,
    node: process.versions.node,
    postgresql: rows[0]?.server_version ?? "of unknown version",
    nats: stdout.trim().replace(/^nats-server:\s*v?/, ""),
  };
}

/** The machine in a line. */
export function machineLine({ cores, processor, node, postgresql, nats }: Machine): string {
  return `Machine: ${cores} cores (${processor}), Node ${node}, PostgreSQL ${postgresql}, nats-server v${nats}`;
}
