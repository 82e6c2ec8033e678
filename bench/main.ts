/** `npm run bench`: this system and a plain monolith side by side; `--help` says what is measured and how. */
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
import { floodErrorsOf, floodFaultsOf, floodTableOf } from "./flood-report.ts";
import { type FloodSeries, runFlood } from "./flood-series.ts";
import { type Issuer, startIssuer, type TokenAlgorithm } from "./issuer.ts";
import { startLoadProcess } from "./load-process.ts";
import { type BenchOptions, readOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import {
  cpuLineOf,
  errorsOf,
  faultsOf,
  faultsOfSeries,
  freshnessOf,
  goalsOf,
  ratiosOf,
  tableOf,
} from "./report.ts";
import { seed } from "./seed.ts";
import { type Bench, runSeries, type Series, type SeriesOptions } from "./series.ts";
import { faultOnEnd, type Keep, startOurs, startPeer } from "./system.ts";

const DATABASE = "bench";
/** Each of the three pools may open 100; the rest is for the bench's own and migrations' connections. */
const SERVER_CONNECTIONS_MAX = 350;
/** Callers whose portfolios are renamed: few, so that each is asked for often while its name changes. */
const FRESH_CALLERS = 10;

/** What the processes get of this one's environment: settings of the shell must not change what is measured. */
const INHERITED = ["PATH", "HOME", "TMPDIR", "LANG", "SystemRoot", "TEMP", "TMP"];

const progress = new Progress();
const interruption = new AbortController();
const stops: (() => Promise<void>)[] = [];
const keep: Keep = (stop) => stops.push(stop);

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // Not once: a second Ctrl-C must not leave servers behind.
  process.on(name, () => interruption.abort());
}

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const options = readOptions(process.argv.slice(2));
    if (typeof options !== "string") return await measure(options);
    console.log(options);
    return 0;
  } catch (error) {
    progress.clear();
    if (interruption.signal.aborted) {
      console.error("bench: interrupted; everything is stopped.");
      return 130;
    }
    console.error(error instanceof BenchError ? `bench: ${error.message}` : error);
    return 1;
  }
}

async function measure(options: BenchOptions): Promise<number> {
  let report: { text: string; errors: number };
  try {
    const { bench, issuer, machine } = await start(options);
    report = await runAll(bench, issuer, options, machine);
    progress.step("Stopping everything");
  } finally {
    for (const stop of stops.reverse()) await stop().catch((error) => console.error(error));
  }
  progress.clear();
  console.log(report.text);
  return report.errors > 0 ? 1 : 0;
}

async function start(options: BenchOptions): Promise<{ bench: Bench; issuer: Issuer; machine: string }> {
  const { signal } = interruption;
  progress.step("Starting PostgreSQL, nats-server, our four services and the peer");
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
    settings: { max_connections: String(SERVER_CONNECTIONS_MAX) },
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
  const shared = { issuerUrl: issuer.url, environment, logFolder: folder, keep };
  const ours = await startOurs({ ...shared, natsBinary, databaseUrls });
  signal.throwIfAborted();

  progress.step(`Filling the database: ${options.users} users`);
  const admin = new pg.Client({ connectionString: databaseUrl, application_name: "bench" });
  // A lost connection also fails the statement that is under way; without a listener it would end this process at once.
  admin.on("error", () => {});
  await admin.connect();
  keep(() => admin.end());
  await seed(admin, options.users, issuer.url);
  const peer = await startPeer({ ...shared, databaseUrl });
  const load = startLoadProcess();
  keep(() => load.stop());
  signal.addEventListener("abort", () => void load.stop());
  const bench = {
    systems: [ours, peer],
    load,
    progress,
    admin,
    databaseUrl,
    postgresPid: postgres.pid,
    postgresFault,
    signal,
  };
  return { bench, issuer, machine: await describeMachine(admin, natsBinary) };
}

async function describeMachine(admin: pg.Client, natsBinary: string): Promise<string> {
  const { rows } = await admin.query<{ server_version: string }>("show server_version");
  const { stdout } = await promisify(execFile)(natsBinary, ["--version"]);
  const processors = cpus();
  return [
    `Machine: ${processors.length} cores (${processors[0]?.model.trim() || process.arch})`,
    `Node ${process.versions.node}`,
    `PostgreSQL ${rows[0]?.server_version}`,
    `nats-server ${stdout.trim().replace(/^nats-server:\s*/, "")}`,
  ].join(", ");
}

async function runAll(bench: Bench, issuer: Issuer, options: BenchOptions, machine: string) {
  const { rounds, connections, requests, warmCallers, coldRounds, coldRequests } = options;
  const coldTokens = coldRequests * (coldRounds + 1);
  progress.step(`Minting ${warmCallers + 2 * coldTokens} tokens`);
  const mint = (algorithm: TokenAlgorithm, from: number, count: number) =>
    issuer.mint(algorithm, from, count, (minted) => progress.share(minted / count));
  const warm = await mint("RS256", 1, warmCallers);
  const cold = {
    RS256: await mint("RS256", 1 + warmCallers, coldTokens),
    ES256: await mint("ES256", 1 + warmCallers, coldTokens),
  };

  const run = (some: Pick<SeriesOptions, "kind" | "title" | "requests"> & Partial<SeriesOptions>) =>
    runSeries(bench, {
      rounds,
      warmUp: true,
      callers: () => warm,
      ...some,
      // A connection that has nothing to ask cannot be opened.
      connections: Math.min(connections, some.requests),
    });
  const list = await run({ kind: "list", title: "Load test", requests });
  const runCold = (algorithm: TokenAlgorithm) =>
    run({
      kind: "cold",
      title: `Fresh tokens, ${algorithm}`,
      rounds: coldRounds,
      requests: coldRequests,
      callers: (round) => cold[algorithm].slice(round * coldRequests, (round + 1) * coldRequests),
    });
  const coldRs256 = await runCold("RS256");
  const coldEs256 = await runCold("ES256");
  const write = await run({ kind: "write", title: "Writes", requests: options.writeRequests });
  const fresh = await run({
    kind: "fresh",
    title: "Freshness",
    requests: options.freshRequests,
    rounds: 1,
    warmUp: false,
    callers: () => warm.slice(0, FRESH_CALLERS),
  });
  const flood = await runFlood(bench, {
    issuerUrl: issuer.url,
    rounds: options.floodRounds,
    requests: options.floodRequests,
    connections: Math.min(connections, options.floodRequests),
    callers: warm,
  });
  return reportOf({ list, coldRs256, coldEs256, write, fresh }, flood, options, machine);
}

function reportOf(
  all: Record<"list" | "coldRs256" | "coldEs256" | "write" | "fresh", Series>,
  flood: FloodSeries,
  options: BenchOptions,
  machine: string,
) {
  const { list, coldRs256, coldEs256, write, fresh } = all;
  const { throughput, p99 } = ratiosOf(list);
  const errors = errorsOf(Object.values(all)) + floodErrorsOf(flood);
  const atOnce = (requests: number) =>
    `${requests} requests, ${Math.min(options.connections, requests)} at once`;
  const freshTokens = (algorithm: TokenAlgorithm, series: Series) =>
    `${tableOf(`Fresh tokens, ${algorithm}: each seen for the first time, ${atOnce(options.coldRequests)}`, series)}\n${cpuLineOf(series)}`;
  const text = [
    machine,
    `${tableOf(`Load test: GET /v1/portfolios, ${atOnce(options.requests)}`, list)}\n${cpuLineOf(list)}`,
    freshTokens("RS256", coldRs256),
    freshTokens("ES256", coldEs256),
    `${tableOf(`Writes: POST /v1/portfolios, ${atOnce(options.writeRequests)}`, write)}\n${cpuLineOf(write)}`,
    freshnessOf(fresh),
    floodTableOf(`Flood: the load test's warm tokens, ${atOnce(options.floodRequests)}, ours only`, flood),
    faultsOf([...Object.values(all).flatMap(faultsOfSeries), ...floodFaultsOf(flood)]),
    goalsOf(list, errors),
    `bench: ratio=${throughput.toFixed(2)} p99_ratio=${p99.toFixed(2)} errors=${errors}`,
  ];
  return { text: text.filter((part) => part !== undefined).join("\n\n"), errors };
}
