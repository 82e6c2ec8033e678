import type pg from "pg";
import { BenchError } from "./errors.ts";
import type { Caller } from "./issuer.ts";
import type { LoadKind, LoadPlan, LoadResult } from "./load-plan.ts";
import type { LoadProcess } from "./load-process.ts";
import { type ConnectionPeak, cpuSecondsOfTree, watchConnections } from "./measure.ts";
import type { Progress } from "./progress.ts";
import { removeWritten, restoreNames } from "./seed.ts";
import type { System, SystemName } from "./system.ts";

const DATABASE = "PostgreSQL";

/** One system under one load. */
export interface Round {
  readonly load: LoadResult;
  /** Processor time per request by process, in microseconds; undefined where it cannot be known. */
  readonly cpuMicroseconds: ReadonlyMap<string, number | undefined>;
  readonly databaseCpuMicroseconds: number | undefined;
  readonly connections: ConnectionPeak;
  /** What was wrong, and how often; beside the load's own, rows that were promised and are missing. */
  readonly faults: Readonly<Record<string, number>>;
  readonly errors: number;
}

/** Rounds of the same load; those of the same index were run one after the other. */
export type Series = Readonly<Record<SystemName | "warmUp", Round[]>>;

export interface Bench {
  readonly systems: readonly System[];
  readonly load: LoadProcess;
  readonly progress: Progress;
  /** A superuser's connection to the database that both systems use. */
  readonly admin: pg.Client;
  readonly databaseUrl: string;
  readonly postgresPid: number;
  /** Why PostgreSQL has ended; undefined while it runs. */
  readonly postgresFault: () => string | undefined;
  readonly signal: AbortSignal;
}

export interface SeriesOptions {
  readonly kind: LoadKind;
  readonly title: string;
  readonly rounds: number;
  readonly warmUp: boolean;
  readonly connections: number;
  readonly requests: number;
  /** The callers of a round, 0 for the warm-up; each system gets the same. */
  readonly callers: (round: number) => readonly Caller[];
}

/** Runs a warm-up that is checked but not measured, then the rounds, the systems in turn, one under load at a time. */
export async function runSeries(bench: Bench, options: SeriesOptions): Promise<Series> {
  const series: Series = { ours: [], peer: [], warmUp: [] };
  for (let round = options.warmUp ? 0 : 1; round <= options.rounds; round += 1) {
    for (const system of bench.systems) {
      bench.signal.throwIfAborted();
      const which = round === 0 ? "warm-up" : `round ${round} of ${options.rounds}`;
      bench.progress.step(`${options.title}: ${which}, ${system.name}`);
      const { kind, connections, requests } = options;
      const plan = { kind, connections, requests, callers: options.callers(round) };
      const result = await runRound(bench, system, {
        ...plan,
        url: system.url,
        databaseUrl: bench.databaseUrl,
      });
      bench.progress.outcome(outcomeOf(result));
      (round === 0 ? series.warmUp : series[system.name]).push(result);
    }
  }
  return series;
}

function outcomeOf({ load, errors }: Round): string {
  const rate = Math.round(load.right / load.seconds);
  return `${rate} requests/s, P99 ${load.latencyMs.p99.toFixed(1)} ms, ${errors} errors`;
}

async function runRound(bench: Bench, system: System, plan: LoadPlan): Promise<Round> {
  const stopWatching = watchConnections(bench.admin, system.applicationNames);
  const cpuBefore = cpuSeconds(bench, system);
  const [loaded] = await Promise.allSettled([bench.load.run(plan, (share) => bench.progress.share(share))]);
  const cpuAfter = cpuSeconds(bench, system);
  const [watched] = await Promise.allSettled([stopWatching()]);
  // First the reasons, then what followed from them.
  throwIfEnded(bench, system);
  if (loaded.status === "rejected") throw loaded.reason;
  if (watched.status === "rejected") throw watched.reason;

  const load = loaded.value;
  if (load.renames?.firstAfterRename === 0) {
    throw new BenchError(
      "The freshness round proved nothing: no request came after a rename. Give it more --requests.",
    );
  }
  const perRequest = (name: string) => {
    const [before, after] = [cpuBefore.get(name), cpuAfter.get(name)];
    return before === undefined || after === undefined ? undefined : ((after - before) * 1e6) / plan.requests;
  };
  const missingRows = await putBack(bench.admin, plan, load);
  return {
    load,
    connections: watched.value,
    faults: {
      ...load.faults,
      ...(missingRows > 0 && { "201 whose portfolio is not in the database": missingRows }),
    },
    cpuMicroseconds: new Map(system.processes.map(({ name }) => [name, perRequest(name)])),
    databaseCpuMicroseconds: perRequest(DATABASE),
    errors: plan.requests - load.right + missingRows,
  };
}

/** @throws when the bench was interrupted, or something that is measured has ended. */
export function throwIfEnded(bench: Bench, system: System): void {
  bench.signal.throwIfAborted();
  const fault = bench.postgresFault() ?? system.fault();
  if (fault) throw new BenchError(fault);
}

/** Processor time so far of each of a system's processes and of PostgreSQL, where it can be known. */
export function cpuSeconds(bench: Bench, system: System): Map<string, number> {
  const roots = [...system.processes, { name: DATABASE, pid: bench.postgresPid }];
  const measured = roots.map(({ name, pid }) => [name, cpuSecondsOfTree(pid)] as const);
  return new Map(measured.filter((entry): entry is [string, number] => entry[1] !== undefined));
}

/** Puts the data back to what it was. @returns how many rows of a write round are missing that a 201 promised. */
async function putBack(admin: pg.Client, plan: LoadPlan, load: LoadResult): Promise<number> {
  const userNumbers = plan.callers.map(({ userNumber }) => userNumber);
  if (plan.kind === "fresh") await restoreNames(admin, userNumbers);
  if (plan.kind !== "write") return 0;
  return Math.max(0, load.right - (await removeWritten(admin)));
}
