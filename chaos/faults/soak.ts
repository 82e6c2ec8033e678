import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { alignRight } from "../../bench/report.ts";
import type { Course, Fault } from "../fault.ts";
import type { Replica } from "../replica.ts";
import { SERVICES, type Service, type Stage } from "../stage.ts";

const INTERVAL_MS = 15_000;
/** What still grows by more than this from the middle third to the last one is not flat. */
const GROWTH_MAX_SHARE: Readonly<Record<keyof Figures, number>> = {
  // With garbage that has not been given back to the system.
  rssMb: 0.1,
  heapMb: 0.05,
  handles: 0.05,
  files: 0.05,
  sessions: 0.05,
};
/** Connections are opened and closed again; a few more are no trend. */
const COUNT_GROWTH_MAX = 4;

/** Of all replicas of a service, at one moment. */
interface Figures {
  readonly rssMb: number;
  /** Without garbage. */
  readonly heapMb: number;
  readonly handles: number;
  readonly files: number;
  readonly sessions: number;
}
type Measure = keyof Figures;
const MEASURES: readonly Measure[] = ["rssMb", "heapMb", "handles", "files", "sessions"];

async function figuresOf(replica: Replica): Promise<Omit<Figures, "sessions">> {
  const heapMb = (await replica.keptHeapBytes()) / 1_048_576;
  const [metrics, status, files] = await Promise.all([
    fetch(`${replica.metricsUrl}/metrics`).then((reply) => reply.text()),
    readFile(`/proc/${replica.pid}/status`, "utf8"),
    readdir(`/proc/${replica.pid}/fd`),
  ]);
  const metric = (name: string) =>
    Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, "m").exec(metrics)?.[1]);
  return {
    rssMb: Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024,
    heapMb,
    handles: metric("nodejs_active_handles_total"),
    files: files.length,
  };
}

async function look(stage: Stage): Promise<Map<Service, Figures>> {
  const rows = await stage.postgres.query<{ service: string; count: number }>(
    "select application_name as service, count(*)::int as count from pg_stat_activity group by 1",
  );
  const sessions = new Map(rows.map(({ service, count }) => [service, count]));
  const figures = new Map<Service, Figures>();
  for (const service of SERVICES) {
    const all = await Promise.all(stage.replicasOf(service).map(figuresOf));
    const sum = (measure: keyof (typeof all)[number]) =>
      all.reduce((total, each) => total + each[measure], 0);
    figures.set(service, {
      rssMb: sum("rssMb"),
      heapMb: sum("heapMb"),
      handles: sum("handles"),
      files: sum("files"),
      sessions: sessions.get(service) ?? 0,
    });
  }
  return figures;
}

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}

/** Least squares, per minute, over the last two thirds. */
function slopePerMinute(values: readonly number[]): number {
  const late = values.slice(Math.floor(values.length / 3));
  const middle = (late.length - 1) / 2;
  const average = mean(late);
  const weights = late.map((_, index) => index - middle);
  const above = late.reduce((sum, value, index) => sum + (weights[index] as number) * (value - average), 0);
  const below = weights.reduce((sum, weight) => sum + weight * weight, 0);
  return (above / below) * (60_000 / INTERVAL_MS);
}

function growth(values: readonly number[]): { readonly by: number; readonly share: number } {
  const third = Math.floor(values.length / 3);
  const before = mean(values.slice(third, 2 * third));
  const by = mean(values.slice(2 * third)) - before;
  return { by, share: by / before };
}

function report(course: Course, series: readonly Map<Service, Figures>[]): void {
  const head = ["service (all replicas)", ...MEASURES.flatMap((measure) => [measure, "per minute"])];
  const rows = SERVICES.map((service) => {
    const cells = MEASURES.flatMap((measure) => {
      const values = series.map((figures) => figures.get(service)?.[measure] ?? 0);
      const { by, share } = growth(values);
      const isMemory = measure === "rssMb" || measure === "heapMb";
      if (share > GROWTH_MAX_SHARE[measure] && (isMemory || by > COUNT_GROWTH_MAX)) {
        course.break(`${service}: ${measure} grew by ${by.toFixed(1)} (${(100 * share).toFixed(0)} %)`);
      }
      return [`${values[0]?.toFixed(0)} → ${values.at(-1)?.toFixed(0)}`, slopePerMinute(values).toFixed(2)];
    });
    return [service, ...cells];
  });
  course.note(
    "memory (heap without garbage), handles, files and database sessions, first → last, and the slope:",
  );
  for (const line of alignRight([head, ...rows])) course.note(line);
}

/** Half of the load for long: what should be flat is. */
export function soak(minutes: number): Fault {
  return {
    name: "soak",
    title: `${minutes} minutes at half load`,
    rateShare: 0.5,
    promise: { goodAfterMs: 0, from: "end", neverFails: "anything" },
    async run(course) {
      course.begin();
      const series: Map<Service, Figures>[] = [];
      for (let count = 0; count <= (minutes * 60_000) / INTERVAL_MS; count += 1) {
        series.push(await look(course.stage));
        await sleep(INTERVAL_MS);
      }
      course.end();
      report(course, series);
    },
  };
}
