import { FLOOD_RATES, type FloodRound, type FloodSeries } from "./flood-series.ts";
import { alignRight, microseconds, sum } from "./report.ts";
import { median } from "./statistics.ts";

/** How much slower bad tokens may make good traffic than other refused requests do, in percent. */
const SLOWDOWN_PERCENT_MAX = 10;
/** Refusals: of a bad token, and of one that there was no room to ask about. */
const EXPECTED_ANSWERS: ReadonlySet<string> = new Set(["status 401", "status 503"]);

type Figure = (round: FloodRound) => number;
const rateOf: Figure = ({ load }) => load.right / load.seconds;
const p50Of: Figure = ({ load }) => load.latencyMs.p50;
const p99Of: Figure = ({ load }) => load.latencyMs.p99;

/** A line per flood: the good load beside it, as medians, and the change from the good load alone. */
export function floodTableOf(title: string, { alone, floods }: FloodSeries): string {
  const head = [
    "",
    "requests/s",
    "P50 ms",
    "P99 ms",
    "change alone → flood",
    "flood/s",
    "refused 401",
    "503",
    "CPU µs each",
  ];
  const rows = floods.map(({ condition: { kind, requestsPerSecond }, rounds }) => [
    `${requestsPerSecond}/s ${kind}`,
    ...figuresOf(rounds),
    changeOf(rounds, alone),
    Math.round(median(rounds.map(floodRateOf))).toString(),
    ...["status 401", "status 503"].map((answer) => answersOf(rounds, answer).toString()),
    microseconds(median(rounds.map((round, index) => floodCpuOf(round, alone[index] as FloodRound)))),
  ]);
  const costs = FLOOD_RATES.map((rate) => {
    const [control, bad] = ["no token", "bad tokens"].map(
      (kind) =>
        floods.find(({ condition }) => condition.kind === kind && condition.requestsPerSecond === rate)
          ?.rounds as readonly FloodRound[],
    ) as [readonly FloodRound[], readonly FloodRound[]];
    const slowdown = -percentChange(bad, control, rateOf);
    const verdict = slowdown < SLOWDOWN_PERCENT_MAX ? "reached" : "MISSED";
    return `  ${rate}/s: ${changeOf(bad, control)}; less than ${SLOWDOWN_PERCENT_MAX} % slower: ${verdict}`;
  });
  return [
    `${title}; medians of ${alone.length} rounds each`,
    ...alignRight([head, ["alone", ...figuresOf(alone), "", "", "", "", ""], ...rows]),
    "  Bad tokens against as many requests without a token (median of the rounds' changes: requests/s, P50, P99):",
    ...costs,
  ].join("\n");
}

function figuresOf(rounds: readonly FloodRound[]): string[] {
  return [
    Math.round(median(rounds.map(rateOf))).toString(),
    median(rounds.map(p50Of)).toFixed(1),
    median(rounds.map(p99Of)).toFixed(1),
  ];
}

/** Requests per second, P50 and P99, in percent. */
function changeOf(rounds: readonly FloodRound[], from: readonly FloodRound[]): string {
  return [rateOf, p50Of, p99Of].map((figure) => signed(percentChange(rounds, from, figure))).join(", ");
}

/** The median of the changes between rounds that were run one after the other. */
function percentChange(rounds: readonly FloodRound[], from: readonly FloodRound[], figure: Figure): number {
  return median(rounds.map((round, index) => (figure(round) / figure(from[index] as FloodRound) - 1) * 100));
}

function signed(percent: number): string {
  return `${percent < 0 ? "−" : "+"}${Math.abs(percent).toFixed(1)} %`;
}

function floodRateOf({ flood }: FloodRound): number {
  if (!flood) return 0;
  return sum(Object.values(flood.answers)) / flood.seconds;
}

/** What a request of the flood costs: the processor time beyond what as many good requests took alone, in microseconds. */
function floodCpuOf({ load, flood, cpuSeconds }: FloodRound, alone: FloodRound): number {
  if (!flood) return Number.NaN;
  const good = (alone.cpuSeconds / alone.load.requests) * load.requests;
  return ((cpuSeconds - good) / sum(Object.values(flood.answers))) * 1e6;
}

function answersOf(rounds: readonly FloodRound[], answer: string): number {
  return rounds.reduce((sum, { flood }) => sum + (flood?.answers[answer] ?? 0), 0);
}

/** What was wrong: with the good load, and with answers to bad tokens that are no refusals. */
export function floodFaultsOf({ alone, floods }: FloodSeries): Readonly<Record<string, number>>[] {
  return [...alone, ...floods.flatMap(({ rounds }) => rounds)].flatMap(({ load, flood }) => [
    load.faults,
    Object.fromEntries(
      Object.entries(flood?.answers ?? {})
        .filter(([answer]) => !EXPECTED_ANSWERS.has(answer))
        .map(([answer, count]) => [`flood: ${answer}`, count]),
    ),
  ]);
}

export function floodErrorsOf(series: FloodSeries): number {
  return sum(floodFaultsOf(series).flatMap((faults) => Object.values(faults)));
}
