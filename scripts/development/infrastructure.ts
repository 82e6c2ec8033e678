// The process that owns PostgreSQL, nats-server and the development issuer. `npm start` forks it, so that they are
// stopped in order even when the starter is killed.

import { provisionDatabases } from "./databases.ts";
import { startIssuer } from "./issuer.ts";
import { apiUrlOf } from "./issuer-addresses.ts";
import { obtainNatsServer, startNatsServer } from "./nats-server.ts";
import { startPostgres } from "./postgres.ts";
import { stopProcess, waitForExit } from "./processes.ts";
import { stopTimeoutMs } from "./service-process.ts";

/** What the starter tells this process. */
export type Order =
  | ({ order: "start" } & Parts)
  /** The processes to wait for, should the starter die. */
  | { order: "watch"; pids: readonly number[] }
  | { order: "stop" };

/** What is wanted; a part that is left out is given from outside. */
export type Parts = {
  environment: string | undefined;
  postgres?: { folder: string; database: string; services: readonly string[]; connectionsMax: number };
  nats?: { cacheFolder: string };
  issuer?: { folder: string };
};

/** What this process tells the starter. */
export type Report =
  | { report: "log"; line: string }
  | { report: "postgres"; databases: Record<string, string>; port: number; pid: number }
  /** Without an address: none to be had. */
  | { report: "nats"; url?: string; pid?: number }
  | { report: "issuer"; issuer: string; audience: string }
  | { report: "failed"; message: string };

const stops: Array<() => Promise<void>> = [];
const starts: Promise<void>[] = [];
const giveUp = new AbortController();
let watched: readonly number[] = [];
let stopping: Promise<void> | undefined;

// Ctrl-C in the terminal is the starter's to handle: the services must be drained before their database goes.
process.on("SIGINT", () => {});
process.on("SIGHUP", () => {});
process.on("SIGTERM", () => void stop());
process.on("disconnect", () => void stopAfterServices());
process.on("message", (order: Order) => {
  if (order.order === "start") start(order);
  else if (order.order === "watch") watched = order.pids;
  else void stop();
});

function start(parts: Parts): void {
  const { postgres, nats, issuer } = parts;
  if (postgres) begin(() => beginPostgres(postgres));
  if (nats) begin(() => beginNats(nats));
  if (issuer) begin(() => beginIssuer(issuer, parts.environment));
}

function begin(part: () => Promise<void>): void {
  starts.push(part().catch((error: Error) => report({ report: "failed", message: error.message })));
}

async function beginPostgres(options: NonNullable<Parts["postgres"]>): Promise<void> {
  const server = await startPostgres({
    folder: options.folder,
    settings: { max_connections: String(options.connectionsMax) },
    log,
  });
  stops.push(server.stop);
  void server.exited.then((words) => lost("PostgreSQL", words));
  const { database, services } = options;
  const databases = await provisionDatabases({ adminUrl: server.url, database, services });
  report({ report: "postgres", databases, port: server.port, pid: server.pid });
}

async function beginNats(options: NonNullable<Parts["nats"]>): Promise<void> {
  const binary = await obtainNatsServer({ ...options, log, signal: giveUp.signal });
  if (giveUp.signal.aborted) return;
  if (binary === undefined) return report({ report: "nats" });
  const server = await startNatsServer({ binary });
  stops.push(server.stop);
  void server.exited.then((words) => lost("nats-server", words));
  report({ report: "nats", url: server.url, pid: server.pid });
}

async function beginIssuer(
  options: NonNullable<Parts["issuer"]>,
  environment: string | undefined,
): Promise<void> {
  const issuer = await startIssuer({ ...options, environment, apiUrl: apiUrlOf(process.env), log });
  stops.push(issuer.stop);
  report({ report: "issuer", issuer: issuer.issuer, audience: issuer.audience });
}

function lost(part: string, words: string): void {
  if (!stopping) report({ report: "failed", message: `${part} ended:\n${words}` });
}

function stop(): Promise<void> {
  stopping ??= stopEverything();
  return stopping;
}

async function stopEverything(): Promise<void> {
  giveUp.abort();
  await Promise.all(starts);
  const outcomes = await Promise.allSettled(stops.map((stopPart) => stopPart()));
  for (const outcome of outcomes) if (outcome.status === "rejected") log(String(outcome.reason));
  process.exit(outcomes.every(({ status }) => status === "fulfilled") ? 0 : 1);
}

/** The starter is dead: its services notice that too and drain; whatever does not is ended. */
async function stopAfterServices(): Promise<void> {
  await Promise.all(
    watched.map(async (pid) => {
      if (await waitForExit(pid, stopTimeoutMs)) return;
      await stopProcess(pid, [{ signal: "SIGKILL", timeoutMs: 5_000 }]);
    }),
  );
  await stop();
}

function log(line: string): void {
  report({ report: "log", line });
}

function report(message: Report): void {
  // A failed send means that the starter is gone, which `disconnect` handles.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}
