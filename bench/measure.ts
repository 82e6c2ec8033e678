import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import type pg from "pg";

const SAMPLE_INTERVAL_MS = 100;
/** Linux counts processor time in ticks of 1/100 s nearly everywhere; `getconf` knows. */
const DEFAULT_TICKS_PER_SECOND = 100;

export interface ProcessStat {
  readonly pid: number;
  readonly parentPid: number;
  readonly ownTicks: number;
  /** Of children that have ended and were waited for. */
  readonly endedChildrenTicks: number;
}

let ticksPerSecond: number | undefined;

/**
 * Processor time (user and system) that a process and all its descendants have used so far, in seconds;
 * undefined where there is no /proc. One reading may serve for several of them.
 */
export function cpuSecondsOfTree(rootPid: number, stats = readStats()): number | undefined {
  const root = stats.get(rootPid);
  if (!root) return undefined;
  const tree = new Set([rootPid]);
  for (let grown = true; grown; ) {
    const found = [...stats.values()].filter(({ pid, parentPid }) => tree.has(parentPid) && !tree.has(pid));
    for (const { pid } of found) tree.add(pid);
    grown = found.length > 0;
  }
  let ticks = 0;
  for (const pid of tree) {
    const stat = stats.get(pid);
    if (stat) ticks += stat.ownTicks + stat.endedChildrenTicks;
  }
  ticksPerSecond ??= readTicksPerSecond();
  return ticks / ticksPerSecond;
}

/** All processes by id, from /proc/<pid>/stat (proc_pid_stat(5)); empty where there is none. */
export function readStats(): Map<number, ProcessStat> {
  const stats = new Map<number, ProcessStat>();
  let names: string[] = [];
  try {
    names = readdirSync("/proc");
  } catch {
    return stats;
  }
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = parseStat(Number(name), readFileSync(`/proc/${name}/stat`, "latin1"));
      stats.set(stat.pid, stat);
    } catch {
      // It has ended since the listing.
    }
  }
  return stats;
}

function parseStat(pid: number, text: string): ProcessStat {
  // The second field is the command in parentheses and may hold blanks; the third comes after the last parenthesis.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => Number(fields[number - 3]);
  return {
    pid,
    parentPid: field(4),
    ownTicks: field(14) + field(15),
    endedChildrenTicks: field(16) + field(17),
  };
}

function readTicksPerSecond(): number {
  try {
    return Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" })) || DEFAULT_TICKS_PER_SECOND;
  } catch {
    return DEFAULT_TICKS_PER_SECOND;
  }
}

/** The connections of a system as PostgreSQL saw them: the most at once that were open and at work, and the mean at work. */
export interface ConnectionPeak {
  readonly open: number;
  readonly busy: number;
  readonly busyMean: number;
}

/** Looks at `pg_stat_activity` ten times a second until stopped. */
export function watchConnections(
  client: pg.Client,
  applicationNames: readonly string[],
): () => Promise<ConnectionPeak> {
  const peak = { open: 0, busy: 0 };
  let samples = 0;
  let busySum = 0;
  let last: Promise<void> = Promise.resolve();

  async function sample(): Promise<void> {
    const { rows } = await client.query<{ open: number; busy: number }>({
      name: "connections",
      text: `select count(*)::int as open, (count(*) filter (where state <> 'idle'))::int as busy
             from pg_stat_activity where application_name = any($1)`,
      values: [applicationNames],
    });
    const { open, busy } = rows[0] as { open: number; busy: number };
    peak.open = Math.max(peak.open, open);
    peak.busy = Math.max(peak.busy, busy);
    samples += 1;
    busySum += busy;
  }

  const timer = setInterval(() => {
    last = last.then(sample);
    last.catch(() => {});
  }, SAMPLE_INTERVAL_MS);
  return async () => {
    clearInterval(timer);
    await last;
    await sample();
    return { ...peak, busyMean: busySum / samples };
  };
}
