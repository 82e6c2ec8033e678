import {
  type Configuration,
  type Measured,
  PARTS,
  type Part,
  type ScaleFigures,
  SERVICE_PARTS,
  sumOf,
} from "./scale-figures.ts";
import type { Replicas } from "./scale-system.ts";
import { machineText, percent, row, tableOf, whole } from "./scale-text.ts";

type LoadName = keyof Pick<Configuration, "steady" | "busy" | "grown">;
const LOADS: readonly LoadName[] = ["steady", "busy", "grown"];

/** Where and how the figures were measured. */
export function originOf(figures: ScaleFigures): string {
  const { date, machine, rounds, seconds, connections, ratePerSecond } = figures;
  const unsent = measuredIn(figures).reduce((sum, measured) => sum + measured.unsent, 0);
  const short =
    unsent > 0
      ? ` The machine was too slow for ${whole(unsent)} requests that were due and not sent, because 500 were under way.`
      : "";
  return (
    `Measured on ${date} on ${machineText(machine)}; everything, the load too, on the same cores. Per line ` +
    `${rounds} × ${seconds} s: *steady* is ${ratePerSecond} requests a second that come at random, *busy* is ` +
    `${connections} at once without a pause, *grown* the steady rate for each replica. Nine of ten requests are lists, ` +
    `one makes a portfolio.${short}`
  );
}

/** What a request costs with more and more replicas. */
export function costTable({ configurations }: ScaleFigures): string {
  const parts = ["gateway", "portfolios", "nats-server", "PostgreSQL"] as const;
  const line = (replicas: Replicas, load: LoadName, measured: Measured) =>
    row(
      replicas.gateway,
      replicas.portfolios,
      load,
      whole(measured.requestsPerSecond),
      measured.p50Ms.toFixed(1),
      measured.p99Ms.toFixed(1),
      `**${whole(sumOf(measured.cpuMicroseconds))}**`,
      ...parts.map((part) => own(measured, part)),
      whole(Math.max(0, othersOf(measured, parts))),
    );
  return tableOf(
    [
      "gateways",
      "portfolios",
      "load",
      "requests/s",
      "P50 ms",
      "P99 ms",
      "CPU µs, all",
      ...parts.map((part) => (part === "gateway" ? `of them ${part}` : part)),
      "others",
    ],
    LOADS.flatMap((load) =>
      configurations.flatMap((configuration) => {
        const measured = configuration[load];
        return measured ? [line(configuration.replicas, load, measured)] : [];
      }),
    ),
  );
}

/** Where next to nothing is used, what is used at rest can have been more. */
function own({ ownMicroseconds }: Measured, part: Part): string {
  return whole(Math.max(0, ownMicroseconds[part]));
}

function othersOf({ ownMicroseconds }: Measured, named: readonly Part[]): number {
  return PARTS.filter((part) => !named.includes(part)).reduce((sum, part) => sum + ownMicroseconds[part], 0);
}

/** What replicas hold and use beside processor time. */
export function holdingTable({ configurations }: ScaleFigures): string {
  return tableOf(
    [
      "gateways",
      "portfolios",
      "at rest, millicores",
      "at rest, packets/s",
      "connections open",
      "at work: steady, mean (most)",
      "at work: busy, mean (most)",
      "waiting, busy",
      "busiest gateway: steady, busy",
      "busiest portfolios: steady, busy",
      "packets and kB per request, steady",
      "packets per write, busy",
    ],
    configurations.map(({ replicas, idle, steady, busy }) =>
      row(
        replicas.gateway,
        replicas.portfolios,
        whole(sumOf(idle.millicores)),
        whole(idle.packetsPerSecond),
        Math.max(steady.connections.open, busy.connections.open),
        ...[steady, busy].map(
          ({ connections }) => `${connections.busyMean.toFixed(1)} (${connections.busyMost})`,
        ),
        busy.connections.waitingMean.toFixed(2),
        ...(["gateway", "portfolios"] as const).map((part) =>
          [steady, busy].map(({ utilisation }) => percent(utilisation[part] ?? 0)).join(", "),
        ),
        `${steady.broker.packets.toFixed(1)}, ${(steady.broker.bytes / 1000).toFixed(1)}`,
        (busy.broker.packets / busy.broker.writes).toFixed(1),
      ),
    ),
  );
}

/** What each kind of request costs. */
export function operationTable({ operations }: ScaleFigures): string {
  const line = (kind: string, load: string, measured: Measured) =>
    row(
      kind,
      load,
      whole(sumOf(measured.ownMicroseconds)),
      ...PARTS.map((part) => own(measured, part)),
      measured.broker.packets.toFixed(1),
      (measured.broker.bytes / 1000).toFixed(1),
      ((measured.connections.busyMean / measured.requestsPerSecond) * 1000).toFixed(2),
    );
  return tableOf(
    ["request", "load", "CPU µs", ...PARTS, "packets", "kB", "connection ms"],
    operations.flatMap(({ kind, ratePerSecond, steady, busy }) => [
      line(NAMES[kind], `${ratePerSecond}/s`, steady),
      line(NAMES[kind], "busy", busy),
    ]),
  );
}

const NAMES = {
  list: "list portfolios",
  first: "the same, token not seen before",
  create: "create a portfolio",
  holdings: "holdings, 10 assets",
  construct: "construct, 10 assets",
} as const;

/** What is full first, of one core each, and when. */
export function limitTable({ operations }: ScaleFigures): string {
  return tableOf(
    [
      "request",
      "one process of each is full at",
      "by",
      "then by",
      "one core of NATS at",
      "one core of PostgreSQL at",
    ],
    operations.map(({ kind, busy }) => {
      // What is full is busy.
      const costs = busy.ownMicroseconds;
      const perSecond = (part: Part) => 1e6 / Math.max(1, costs[part]);
      const [first, second] = SERVICE_PARTS.toSorted((one, other) => perSecond(one) - perSecond(other));
      return row(
        NAMES[kind],
        `${whole(perSecond(first as Part))}/s`,
        first as string,
        `${second}, ${whole(perSecond(second as Part))}/s`,
        `${whole(perSecond("nats-server"))}/s`,
        `${whole(perSecond("PostgreSQL"))}/s`,
      );
    }),
  );
}

/** The line that scripts read. */
export function scaleLine(figures: ScaleFigures): string {
  const alike = figures.configurations.filter(({ replicas }) => replicas.gateway === replicas.portfolios);
  const each = (figure: (configuration: (typeof alike)[number]) => number) => alike.map(figure).join(",");
  return [
    `scale: replicas=${each(({ replicas }) => replicas.portfolios)}`,
    `cpu_us_per_request=${each(({ steady }) => Math.round(sumOf(steady.cpuMicroseconds)))}`,
    `connections=${each(({ steady, busy }) => Math.max(steady.connections.open, busy.connections.open))}`,
    `errors=${scaleErrors(figures)}`,
  ].join(" ");
}

/** Replies that were wrong, missing or stale, and portfolios that were promised and are not there, of all rounds. */
export function scaleErrors(figures: ScaleFigures): number {
  return measuredIn(figures).reduce((sum, { errors }) => sum + errors, 0);
}

function measuredIn({ configurations, operations }: ScaleFigures): Measured[] {
  return [
    ...configurations.flatMap((configuration) => LOADS.map((load) => configuration[load])),
    ...operations.flatMap(({ steady, busy }) => [steady, busy]),
  ].filter((measured) => measured !== undefined);
}
