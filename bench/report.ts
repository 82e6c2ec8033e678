import type { Round, Series } from "./series.ts";
import { median } from "./statistics.ts";
import type { SystemName } from "./system.ts";

const SYSTEMS: readonly SystemName[] = ["ours", "peer"];
const SHOWN_FAULTS_MAX = 10;

/** Ours by the peer's, over the rounds. */
export interface Ratios {
  /** The median of the rounds' ratios, of requests per second and of the 99th percentile of latency. */
  readonly throughput: number;
  readonly p99: number;
}

/** Each round of ours against the peer's that followed it: what slows the machine for a while slows both. */
export function ratiosOf(series: Series): Ratios {
  return {
    throughput: median(paired(series, requestsPerSecond)),
    p99: median(paired(series, (round) => round.load.latencyMs.p99)),
  };
}

function paired({ ours, peer }: Series, figure: (round: Round) => number): number[] {
  return ours.map((round, index) => figure(round) / figure(peer[index] as Round));
}

function requestsPerSecond({ load }: Round): number {
  return load.right / load.seconds;
}

/** One line per system, each figure the median over its rounds, and the ratios with their range. */
export function tableOf(title: string, series: Series): string {
  const head = [
    "",
    "requests/s",
    "success",
    "P50 ms",
    "P95 ms",
    "P99 ms",
    "CPU µs",
    "db CPU µs",
    "connections",
  ];
  const rows = SYSTEMS.map((system) => [system, ...figuresOf(series[system])]);
  return [
    `${title}; medians of ${series.ours.length} rounds each, CPU per request`,
    ...alignRight([head, ...rows]),
    `  ours / peer: requests/s ${withRange(paired(series, requestsPerSecond))}, ` +
      `P99 ${withRange(paired(series, (round) => round.load.latencyMs.p99))}`,
  ].join("\n");
}

function figuresOf(rounds: readonly Round[]): string[] {
  const middle = (figure: (round: Round) => number) => median(rounds.map(figure));
  const right = rounds.reduce((sum, { load }) => sum + load.right, 0);
  const asked = rounds.reduce((sum, { load }) => sum + load.requests, 0);
  const open = Math.max(...rounds.map(({ connections }) => connections.open));
  const busy = Math.max(...rounds.map(({ connections }) => connections.busy));
  return [
    Math.round(middle(requestsPerSecond)).toString(),
    percentOf(right, asked),
    middle(({ load }) => load.latencyMs.p50).toFixed(1),
    middle(({ load }) => load.latencyMs.p95).toFixed(1),
    middle(({ load }) => load.latencyMs.p99).toFixed(1),
    microseconds(middle((round) => sum([...round.cpuMicroseconds.values()]))),
    microseconds(middle((round) => round.databaseCpuMicroseconds ?? Number.NaN)),
    `${open} (${busy} busy)`,
  ];
}

/** 100.00 % is said of nothing less than all. */
function percentOf(part: number, whole: number): string {
  return `${(Math.floor((part / whole) * 10_000) / 100).toFixed(2)} %`;
}

/** NaN when one of them cannot be known. */
export function sum(values: readonly (number | undefined)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? Number.NaN), 0);
}

/** A whole number, or that there is none. */
export function microseconds(value: number): string {
  return Number.isNaN(value) ? "n/a" : Math.round(value).toString();
}

function withRange(values: readonly number[]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
}

/** Lines of right-aligned columns; the first row is the head. */
export function alignRight(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows.map((row) => `  ${row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join("  ")}`);
}

/** Where our processor time goes, process by process, and what making the load took. */
export function cpuLineOf(series: Series): string {
  const names = [...(series.ours[0]?.cpuMicroseconds.keys() ?? [])];
  const parts = names.map((name) => {
    const figures = series.ours.map((round) => round.cpuMicroseconds.get(name) ?? Number.NaN);
    return `${name} ${microseconds(median(figures))}`;
  });
  const load = median(
    [...series.ours, ...series.peer].map((round) => (round.load.cpuSeconds * 1e6) / round.load.requests),
  );
  return `  CPU µs per request of our processes: ${parts.join(", ")}; making and checking the load: ${microseconds(load)}`;
}

/** What the renames of the freshness rounds showed. */
export function freshnessOf(series: Series): string {
  const lines = SYSTEMS.map((system) => {
    const rounds = series[system];
    const renames = sum(rounds.map(({ load }) => load.renames?.renames));
    const first = sum(rounds.map(({ load }) => load.renames?.firstAfterRename));
    const wrong = sum(rounds.map(({ errors }) => errors));
    return `  ${system}: ${renames} renames; ${first} requests were the first after one; ${wrong} replies were wrong or stale`;
  });
  return ["Freshness: portfolios renamed in the database under load", ...lines].join("\n");
}

/** What was wrong in a series' rounds, and how often. */
export function faultsOfSeries({ ours, peer, warmUp }: Series): Round["faults"][] {
  return [...ours, ...peer, ...warmUp].map(({ faults }) => faults);
}

/** What was wrong, most frequent first; nothing when nothing was. */
export function faultsOf(all: readonly Round["faults"][]): string | undefined {
  const counts = new Map<string, number>();
  for (const faults of all) {
    for (const [fault, count] of Object.entries(faults)) counts.set(fault, (counts.get(fault) ?? 0) + count);
  }
  if (counts.size === 0) return undefined;
  const sorted = [...counts].sort((one, other) => other[1] - one[1]).slice(0, SHOWN_FAULTS_MAX);
  return ["What was wrong:", ...sorted.map(([fault, count]) => `  ${count} × ${fault}`)].join("\n");
}

/** All that went wrong, in either system, warm-ups included. */
export function errorsOf(all: readonly Series[]): number {
  return sum(
    all.flatMap((series) => [...series.ours, ...series.peer, ...series.warmUp]).map(({ errors }) => errors),
  );
}

/** What is to be reached in the first table; judged by the figures as they are printed. */
export function goalsOf(series: Series, errors: number): string {
  const { throughput, p99 } = ratiosOf(series);
  const p99Ms = median(series.ours.map(({ load }) => load.latencyMs.p99));
  const goals: [string, boolean][] = [
    ["requests/s ≥ 1.2 × the peer's", Number(throughput.toFixed(2)) >= 1.2],
    ["P99 ≤ the peer's", Number(p99.toFixed(2)) <= 1],
    ["P99 < 100 ms", p99Ms < 100],
    ["no errors", errors === 0],
  ];
  return `Goals: ${goals.map(([goal, reached]) => `${goal}: ${reached ? "reached" : "MISSED"}`).join("; ")}`;
}
