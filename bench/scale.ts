import { setTimeout as sleep } from "node:timers/promises";
import type { Caller } from "./issuer.ts";
import { startLoadProcess } from "./load-process.ts";
import type { ScaleOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import type { Configuration, Idle, Measured, OperationCost, ScaleFigures } from "./scale-figures.ts";
import type { Kind, Mix, ScaleLoadPlan, ScaleLoadResult } from "./scale-load-plan.ts";
import { measuredOf, measureIdle, measureRound, type Round, type ScaleBench } from "./scale-measure.ts";
import { seedHoldings } from "./scale-seed.ts";
import { type Replicas, startScaleSystem } from "./scale-system.ts";
import { seed } from "./seed.ts";
import { startStage } from "./stage.ts";
import type { Keep } from "./system.ts";

/** Four pools of portfolios and four others of 20 each, migrations, and the bench's own. */
const SERVER_CONNECTIONS_MAX = 300;
const CALLERS = 200;
/** Until processes that have just started, and the first requests over them, no longer count. */
const WARM_UP_SECONDS = 4;
/** What requests leave to be done, such as collecting garbage, has been done after that. */
const SETTLING_MS = 1_000;

/** One of each; then each of the two that carry most of the load alone; then both. */
const CONFIGURATIONS: readonly Replicas[] = [
  { gateway: 1, portfolios: 1 },
  { gateway: 1, portfolios: 2 },
  { gateway: 1, portfolios: 4 },
  { gateway: 2, portfolios: 1 },
  { gateway: 4, portfolios: 1 },
  { gateway: 2, portfolios: 2 },
  { gateway: 4, portfolios: 4 },
];
/** Requests come at random: sometimes more are due than on average. */
const FRESH_PER_DUE = 1.2;
const MIX: Mix = { list: 0.9, create: 0.1 };

/** Each at a rate at which no process is near its limit. The last one changes what the list shows. */
const OPERATIONS: readonly { readonly kind: Kind; readonly share: number }[] = [
  { kind: "list", share: 1 },
  { kind: "first", share: 0.4 },
  { kind: "create", share: 0.4 },
  { kind: "holdings", share: 0.4 },
  { kind: "construct", share: 0.2 },
];

export interface ScaleRunOptions {
  readonly options: ScaleOptions;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly keep: Keep;
}

/** Measures the whole system with different numbers of replicas, and what each kind of request takes. */
export async function measureScale({
  options,
  progress,
  signal,
  keep,
}: ScaleRunOptions): Promise<ScaleFigures> {
  progress.step("Starting PostgreSQL, nats-server and our services");
  const stage = await startStage({ progress, signal, keep, serverConnectionsMax: SERVER_CONNECTIONS_MAX });
  const system = await startScaleSystem(stage, keep);
  progress.step(`Filling the database: ${options.users} users`);
  await seed(stage.admin, options.users, stage.issuer.url);
  await seedHoldings(stage.admin, options.users);
  const load = startLoadProcess<ScaleLoadPlan, ScaleLoadResult>("scale-load.ts");
  keep(() => load.stop());
  signal.addEventListener("abort", () => void load.stop());
  const bench: ScaleBench = { stage, system, load, progress, signal };
  const mint = (from: number, count: number) => {
    progress.step(`Minting ${count} tokens`);
    return stage.issuer.mint("RS256", from, count, (minted) => progress.share(minted / count));
  };
  const callers = await mint(1, CALLERS);
  const configurations: Configuration[] = [];
  for (const replicas of CONFIGURATIONS) {
    configurations.push(await measureConfiguration(bench, options, replicas, callers));
  }
  const [first] = configurations as [Configuration];
  await system.setReplicas(first.replicas);
  const operations: OperationCost[] = [];
  for (const { kind, share } of OPERATIONS) {
    const plan = { kind, ratePerSecond: Math.round(options.ratePerSecond * share), idle: first.idle };
    operations.push(
      kind === "first"
        ? await measureFirst(bench, options, plan, await mint(1 + CALLERS, options.users - CALLERS))
        : await measureOperation(bench, options, plan, callers),
    );
  }
  const { rounds, seconds, connections, ratePerSecond } = options;
  const date = new Date().toISOString().slice(0, "2026-01-01".length);
  return {
    date,
    machine: stage.machine,
    rounds,
    seconds,
    connections,
    ratePerSecond,
    configurations,
    operations,
  };
}

async function measureConfiguration(
  bench: ScaleBench,
  options: ScaleOptions,
  replicas: Replicas,
  callers: readonly Caller[],
): Promise<Configuration> {
  const title = `${replicas.gateway} gateway, ${replicas.portfolios} portfolios`;
  bench.progress.step(`${title}: starting and warming up`);
  await bench.system.setReplicas(replicas);
  const { connections, ratePerSecond, seconds } = options;
  const plan = { urls: bench.system.urls(), mix: MIX, callers, connections, seconds };
  await measureRound(bench, { ...plan, seconds: WARM_UP_SECONDS });
  bench.progress.step(`${title}: at rest`);
  await sleep(SETTLING_MS);
  const idle = await measureIdle(bench, seconds);
  const steady = await series(bench, options, `${title}: ${ratePerSecond}/s`, idle, () => ({
    ...plan,
    ratePerSecond,
  }));
  const busy = await series(bench, options, `${title}: ${connections} at once`, idle, () => plan);
  if (replicas.gateway === 1 || replicas.gateway !== replicas.portfolios) {
    return { replicas, idle, steady, busy };
  }
  const grownRate = ratePerSecond * replicas.portfolios;
  const grown = await series(bench, options, `${title}: ${grownRate}/s`, idle, () => ({
    ...plan,
    ratePerSecond: grownRate,
  }));
  return { replicas, idle, steady, busy, grown };
}

interface OperationPlan {
  readonly kind: Kind;
  readonly ratePerSecond: number;
  readonly idle: Idle;
}

async function measureOperation(
  bench: ScaleBench,
  options: ScaleOptions,
  { kind, ratePerSecond, idle }: OperationPlan,
  callers: readonly Caller[],
): Promise<OperationCost> {
  const { connections, seconds } = options;
  const plan = { urls: bench.system.urls(), mix: { [kind]: 1 }, callers, connections, seconds };
  bench.progress.step(`${kind}: warming up`);
  await measureRound(bench, { ...plan, seconds: WARM_UP_SECONDS });
  const steady = await series(bench, options, `${kind}: ${ratePerSecond}/s`, idle, () => ({
    ...plan,
    ratePerSecond,
  }));
  const busy = await series(bench, options, `${kind}: ${connections} at once`, idle, () => plan);
  return { kind, ratePerSecond, steady, busy };
}

/** A token can be new only once, so these are shared out: to the steady rounds more than are due, the others' end with them. */
async function measureFirst(
  bench: ScaleBench,
  options: ScaleOptions,
  { kind, ratePerSecond, idle }: OperationPlan,
  fresh: readonly Caller[],
): Promise<OperationCost> {
  const { connections, rounds, seconds } = options;
  const plan = { urls: bench.system.urls(), mix: { [kind]: 1 }, connections, seconds };
  const due = Math.ceil(ratePerSecond * seconds * FRESH_PER_DUE);
  const rest = fresh.slice(due * rounds);
  const each = Math.floor(rest.length / rounds);
  const steady = await series(bench, options, `${kind}: ${ratePerSecond}/s`, idle, (round) => ({
    ...plan,
    ratePerSecond,
    callers: fresh.slice(round * due, (round + 1) * due),
  }));
  const busy = await series(bench, options, `${kind}: ${connections} at once`, idle, (round) => ({
    ...plan,
    callers: rest.slice(round * each, (round + 1) * each),
  }));
  return { kind, ratePerSecond, steady, busy };
}

async function series(
  bench: ScaleBench,
  { rounds }: ScaleOptions,
  title: string,
  idle: Idle,
  planOf: (round: number) => ScaleLoadPlan,
): Promise<Measured> {
  const measured: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    bench.signal.throwIfAborted();
    bench.progress.step(`${title}: round ${round + 1} of ${rounds}`);
    measured.push(await measureRound(bench, planOf(round)));
  }
  return measuredOf(measured, idle);
}
