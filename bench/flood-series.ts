import { setTimeout as sleep } from "node:timers/promises";
import type { FloodKind, FloodResult } from "./flood-plan.ts";
import { type FloodProcess, startFloodProcess } from "./flood-process.ts";
import type { Caller } from "./issuer.ts";
import type { LoadResult } from "./load-plan.ts";
import { type Bench, cpuSeconds, throwIfEnded } from "./series.ts";
import type { System } from "./system.ts";

/** The rates of the floods, in requests per second. */
export const FLOOD_RATES = [500, 2_000] as const;
/** A flood is at full strength before the good load begins. */
const LEAD_MS = 500;

/** What goes on beside the good load. */
export interface FloodCondition {
  readonly kind: FloodKind;
  readonly requestsPerSecond: number;
}

/** The good load beside one flood, or alone. */
export interface FloodRound {
  readonly load: LoadResult;
  readonly flood: FloodResult | undefined;
  /** Processor time of all of the system's processes and PostgreSQL; NaN where it cannot be known. */
  readonly cpuSeconds: number;
}

export interface FloodSeries {
  readonly alone: readonly FloodRound[];
  /** Rounds of the same index were run one after the other. */
  readonly floods: readonly { readonly condition: FloodCondition; readonly rounds: readonly FloodRound[] }[];
}

export interface FloodOptions {
  readonly issuerUrl: string;
  readonly rounds: number;
  readonly requests: number;
  readonly connections: number;
  readonly callers: readonly Caller[];
}

/** Runs the good load alone and beside each flood, in turn: what slows the machine for a while slows all of them. */
export async function runFlood(bench: Bench, options: FloodOptions): Promise<FloodSeries> {
  const ours = bench.systems.find(({ name }) => name === "ours") as System;
  const flood = startFloodProcess();
  const abort = () => void flood.stop();
  bench.signal.addEventListener("abort", abort);
  const alone: FloodRound[] = [];
  const floods = FLOOD_RATES.flatMap((requestsPerSecond) =>
    (["no token", "bad tokens"] as const).map((kind) => ({
      condition: { kind, requestsPerSecond },
      rounds: [] as FloodRound[],
    })),
  );
  try {
    for (let round = 1; round <= options.rounds; round += 1) {
      bench.progress.step(`Flood: round ${round} of ${options.rounds}, without one`);
      alone.push(await runRound(bench, ours, flood, options));
      for (const { condition, rounds } of floods) {
        const { kind, requestsPerSecond } = condition;
        bench.progress.step(`Flood: round ${round} of ${options.rounds}, ${requestsPerSecond}/s ${kind}`);
        rounds.push(await runRound(bench, ours, flood, options, condition));
      }
    }
  } finally {
    bench.signal.removeEventListener("abort", abort);
    await flood.stop();
  }
  return { alone, floods };
}

async function runRound(
  bench: Bench,
  system: System,
  flood: FloodProcess,
  options: FloodOptions,
  condition?: FloodCondition,
): Promise<FloodRound> {
  const { issuerUrl, requests, connections, callers } = options;
  const { url } = system;
  throwIfEnded(bench, system);
  const cpuBefore = cpuSum(bench, system);
  try {
    if (condition) await flood.start({ ...condition, url, issuerUrl });
    await sleep(LEAD_MS);
    const load = await bench.load.run(
      { kind: "list", url, connections, requests, callers, databaseUrl: bench.databaseUrl },
      (share) => bench.progress.share(share),
    );
    const result = condition && (await flood.finish());
    const rate = Math.round(load.right / load.seconds);
    const answers = result ? `, flood ${JSON.stringify(result.answers)}` : "";
    bench.progress.outcome(`${rate} requests/s, P99 ${load.latencyMs.p99.toFixed(1)} ms${answers}`);
    return { load, flood: result, cpuSeconds: cpuSum(bench, system) - cpuBefore };
  } catch (error) {
    // First the reasons, then what followed from them.
    throwIfEnded(bench, system);
    throw error;
  }
}

function cpuSum(bench: Bench, system: System): number {
  const figures = [...cpuSeconds(bench, system).values()];
  return figures.length > 0 ? figures.reduce((sum, seconds) => sum + seconds, 0) : Number.NaN;
}
