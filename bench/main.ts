/** `npm run bench`: this system and a plain monolith side by side; `--help` says what is measured and how. */
import { BenchError } from "./errors.ts";
import { floodErrorsOf, floodFaultsOf, floodTableOf } from "./flood-report.ts";
import { type FloodSeries, runFlood } from "./flood-series.ts";
import type { Issuer, TokenAlgorithm } from "./issuer.ts";
import { startLoadProcess } from "./load-process.ts";
import { type BenchOptions, readOptions, type ScaleOptions } from "./options.ts";
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
import { measureScale } from "./scale.ts";
import { scaleText, writeFigures } from "./scale-page.ts";
import { scaleErrors } from "./scale-tables.ts";
import { seed } from "./seed.ts";
import { type Bench, runSeries, type Series, type SeriesOptions } from "./series.ts";
import { machineLine, startStage } from "./stage.ts";
import { type Keep, startOurs, startPeer } from "./system.ts";

/** Each of the three pools may open 100; the rest is for the bench's own and migrations' connections. */
const SERVER_CONNECTIONS_MAX = 350;
/** Callers whose portfolios are renamed: few, so that each is asked for often while its name changes. */
const FRESH_CALLERS = 10;

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
    if (typeof options === "string") {
      console.log(options);
      return 0;
    }
    return await thenStop(() =>
      "scale" in options ? scaleReport(options.scale) : comparisonReport(options.bench),
    );
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

interface Report {
  readonly text: string;
  readonly errors: number;
}

async function thenStop(measure: () => Promise<Report>): Promise<number> {
  let report: Report;
  try {
    report = await measure();
    progress.step("Stopping everything");
  } finally {
    for (const stop of stops.reverse()) await stop().catch((error) => console.error(error));
  }
  progress.clear();
  console.log(report.text);
  return report.errors > 0 ? 1 : 0;
}

async function comparisonReport(options: BenchOptions): Promise<Report> {
  const { bench, issuer, machine } = await start(options);
  return runAll(bench, issuer, options, machine);
}

async function scaleReport(options: ScaleOptions): Promise<Report> {
  const figures = await measureScale({ options, progress, signal: interruption.signal, keep });
  const errors = scaleErrors(figures);
  if (options.write && errors === 0) await writeFigures(figures);
  return { text: scaleText(figures), errors };
}

async function start(options: BenchOptions): Promise<{ bench: Bench; issuer: Issuer; machine: string }> {
  const { signal } = interruption;
  progress.step("Starting PostgreSQL, nats-server, our services and the peer");
  const stage = await startStage({ progress, signal, keep, serverConnectionsMax: SERVER_CONNECTIONS_MAX });
  const { admin, databaseUrl, databaseUrls, environment, issuer, natsBinary } = stage;
  const shared = { issuerUrl: issuer.url, environment, logFolder: stage.folder, keep };
  const ours = await startOurs({ ...shared, natsBinary, databaseUrls });
  signal.throwIfAborted();

  progress.step(`Filling the database: ${options.users} users`);
  await seed(admin, options.users, issuer.url);
  const peer = await startPeer({ ...shared, databaseUrl });
  const load = startLoadProcess();
  keep(() => load.stop());
  signal.addEventListener("abort", () => void load.stop());
  const { postgresPid, postgresFault } = stage;
  const systems = [ours, peer];
  const bench = { systems, load, progress, admin, databaseUrl, postgresPid, postgresFault, signal };
  return { bench, issuer, machine: machineLine(stage.machine) };
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
