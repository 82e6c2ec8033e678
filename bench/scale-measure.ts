import { setTimeout as sleep } from "node:timers/promises";
import { BenchError } from "./errors.ts";
import type { LoadProcess } from "./load-process.ts";
import { type ConnectionPeak, cpuSecondsOfTree, readStats, watchConnections } from "./measure.ts";
import type { Progress } from "./progress.ts";
import { type ByPart, byPart, type Idle, type Measured, type Part } from "./scale-figures.ts";
import type { ScaleLoadPlan, ScaleLoadResult } from "./scale-load-plan.ts";
import type { ScaleSystem } from "./scale-system.ts";
import { removeWritten } from "./seed.ts";
import type { Stage } from "./stage.ts";
import { median } from "./statistics.ts";

export interface ScaleBench {
  readonly stage: Stage;
  readonly system: ScaleSystem;
  readonly load: LoadProcess<ScaleLoadPlan, ScaleLoadResult>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** What the processes count themselves, all of them together. */
interface Counted {
  readonly packets: number;
  readonly bytes: number;
  readonly writes: number;
  readonly waitSeconds: number;
}

/** What was used while something went on. */
interface Usage {
  readonly seconds: number;
  readonly cpuSeconds: ByPart;
  readonly counted: Counted;
  readonly utilisation: Readonly<Partial<Record<Part, number>>>;
  readonly connections: ConnectionPeak;
}

export interface Round extends Usage {
  readonly load: ScaleLoadResult;
  readonly errors: number;
}

/** The question that scale-probe.ts answers. */
const UTILISATION = "utilisation";

const COUNTERS: Readonly<Record<keyof Counted, RegExp>> = {
  packets: /^broker_packets_total\{direction="sent"\} (\S+)$/m,
  bytes: /^broker_bytes_total\{direction="sent"\} (\S+)$/m,
  writes: /^broker_writes_total (\S+)$/m,
  waitSeconds: /^db_client_connection_wait_time_seconds_sum\{pool="[^"]*"\} (\S+)$/m,
};

/** What the system uses when nobody asks. */
export async function measureIdle(bench: ScaleBench, seconds: number): Promise<Idle> {
  const { usage } = await using(bench, () => sleep(seconds * 1000));
  return {
    millicores: byPart((part) => (usage.cpuSeconds[part] / usage.seconds) * 1000),
    packetsPerSecond: usage.counted.packets / usage.seconds,
  };
}

/** Runs a load once, puts the data back, and tells what it took. */
export async function measureRound(bench: ScaleBench, plan: ScaleLoadPlan): Promise<Round> {
  const { load, progress, stage } = bench;
  const { usage, result } = await using(bench, () => load.run(plan, (share) => progress.share(share)));
  const rows = result.created > 0 ? await removeWritten(stage.admin) : 0;
  // A request that was lost may have made one all the same.
  const missingRows = Math.max(0, result.created - rows);
  const rate = Math.round(result.right / result.seconds);
  const errors = result.requests - result.right + missingRows;
  progress.outcome(
    `${rate} requests/s, P99 ${result.latencyMs.p99.toFixed(1)} ms, ${errors} errors${faultsIn(result)}`,
  );
  return { ...usage, load: result, errors };
}

function faultsIn({ faults }: ScaleLoadResult): string {
  return Object.keys(faults).length > 0 ? ` ${JSON.stringify(faults)}` : "";
}

/** The rounds of one load put together: processor time and counts of all, medians of latencies. */
export function measuredOf(rounds: readonly Round[], idle: Idle): Measured {
  const sum = (figure: (round: Round) => number) => rounds.reduce((total, round) => total + figure(round), 0);
  const middle = (figure: (round: Round) => number) => median(rounds.map(figure));
  const requests = sum(({ load }) => load.requests);
  const seconds = sum((round) => round.seconds);
  const cpu = byPart((part) => sum(({ cpuSeconds }) => cpuSeconds[part]));
  return {
    requests,
    errors: sum(({ errors }) => errors),
    unsent: sum(({ load }) => load.unsent),
    requestsPerSecond: middle(({ load }) => load.right / load.seconds),
    p50Ms: middle(({ load }) => load.latencyMs.p50),
    p99Ms: middle(({ load }) => load.latencyMs.p99),
    cpuMicroseconds: byPart((part) => (cpu[part] / requests) * 1e6),
    ownMicroseconds: byPart(
      (part) => ((cpu[part] - (idle.millicores[part] / 1000) * seconds) / requests) * 1e6,
    ),
    utilisation: Object.fromEntries(
      Object.keys(rounds[0]?.utilisation ?? {}).map((part) => [
        part,
        middle(({ utilisation }) => utilisation[part as Part] ?? 0),
      ]),
    ),
    connections: {
      open: Math.max(...rounds.map(({ connections }) => connections.open)),
      busyMost: Math.max(...rounds.map(({ connections }) => connections.busy)),
      busyMean: sum((round) => round.connections.busyMean * round.seconds) / seconds,
      waitingMean: sum(({ counted }) => counted.waitSeconds) / seconds,
    },
    broker: {
      packets: sum(({ counted }) => counted.packets) / requests,
      bytes: sum(({ counted }) => counted.bytes) / requests,
      writes: sum(({ counted }) => counted.writes) / requests,
    },
  };
}

/** Does something and tells what the system used meanwhile. The processes' own pages are read outside of what is timed. */
async function using<Result>(bench: ScaleBench, act: () => Promise<Result>) {
  const { stage, system } = bench;
  const countedBefore = await countedIn(system);
  await utilisationOf(system);
  const stopWatching = watchConnections(stage.admin, system.applicationNames);
  const startedAt = performance.now();
  const before = cpuOf(bench);
  const [done] = await Promise.allSettled([act()]);
  const after = cpuOf(bench);
  const seconds = (performance.now() - startedAt) / 1000;
  const [watched] = await Promise.allSettled([stopWatching()]);
  // First the reasons, then what followed from them.
  bench.signal.throwIfAborted();
  const fault = stage.postgresFault() ?? system.fault();
  if (fault) throw new BenchError(fault);
  if (done.status === "rejected") throw done.reason;
  if (watched.status === "rejected") throw watched.reason;
  const utilisation = await utilisationOf(system);
  const counted = await countedIn(system);
  const usage: Usage = {
    seconds,
    cpuSeconds: byPart((part) => after[part] - before[part]),
    counted: Object.fromEntries(
      Object.entries(counted).map(([name, value]) => [name, value - countedBefore[name as keyof Counted]]),
    ) as unknown as Counted,
    utilisation,
    connections: watched.value,
  };
  return { usage, result: done.value };
}

function cpuOf({ stage, system }: ScaleBench): ByPart {
  const stats = readStats();
  const cpu = (pid: number) => cpuSecondsOfTree(pid, stats) ?? Number.NaN;
  const servers: Partial<Record<Part, number>> = {
    "nats-server": system.natsPid,
    PostgreSQL: stage.postgresPid,
  };
  return byPart((part) => {
    const server = servers[part];
    if (server !== undefined) return cpu(server);
    const replicas = system.processes().filter(({ service }) => service === part);
    return replicas.reduce((sum, { replica }) => sum + cpu(replica.child.pid), 0);
  });
}

/** The busiest of each service, since this was last asked. */
async function utilisationOf(system: ScaleSystem): Promise<Partial<Record<Part, number>>> {
  const busiest: Partial<Record<Part, number>> = {};
  const asked = system
    .processes()
    .map(async ({ service, replica }) => ({ service, share: await replica.child.ask(UTILISATION) }));
  for (const { service, share } of await Promise.all(asked)) {
    busiest[service] = Math.max(busiest[service] ?? 0, share);
  }
  return busiest;
}

async function countedIn(system: ScaleSystem): Promise<Counted> {
  const pages = await Promise.all(
    system.processes().map(async ({ replica }) => (await fetch(replica.metricsUrl)).text()),
  );
  const total = (pattern: RegExp) =>
    pages.reduce((sum, page) => sum + Number(pattern.exec(page)?.[1] ?? 0), 0);
  return {
    packets: total(COUNTERS.packets),
    bytes: total(COUNTERS.bytes),
    writes: total(COUNTERS.writes),
    waitSeconds: total(COUNTERS.waitSeconds),
  };
}
