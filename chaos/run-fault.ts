/** One fault under the constant load, from a system that is well to one that is well again. */
import { setTimeout as sleep } from "node:timers/promises";
import { nowMs } from "./clock.ts";
import { Course, type Fault } from "./fault.ts";
import { judge, type Outcome } from "./judge.ts";
import type { Audit } from "./load/audit.ts";
import { MIN_CONNECTIONS, type Stage, WITH_DATABASE } from "./stage.ts";

const WARM_UP_MS = 1_500;
/** Watched for so long after all should be well. */
const WATCH_MS = 1_500;
/** The pools are whole so soon after that. */
const WHOLE_WITHIN_MS = 3_000;
/** Of a client that is gone without a word, the server ends an open transaction after this, and a second for looking. */
const ABANDONED_WITHIN_MS = 16_000;
const LOOK_MS = 50;

export interface RunOptions {
  readonly rate: number;
  readonly roomMs: number;
}

/** What an audit has found before is not told again. */
export class Auditor {
  readonly #known = new Set<string>();
  readonly #stage: Stage;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async audit(): Promise<Audit> {
    const { load, databaseUrl } = this.#stage;
    const { checked, lost, doubled, late } = await load.call("audit", databaseUrl);
    const unknown = (entries: readonly string[]) => {
      const found = entries.filter((entry) => !this.#known.has(entry));
      for (const entry of found) this.#known.add(entry);
      return found;
    };
    return { checked, lost: unknown(lost), doubled: unknown(doubled), late: unknown(late) };
  }
}

export async function runFault(
  fault: Fault,
  stage: Stage,
  auditor: Auditor,
  options: RunOptions,
): Promise<Outcome> {
  const { load } = stage;
  await load.call("forget");
  await load.call("setRate", options.rate * (fault.rateShare ?? 1));
  const from = nowMs();
  await sleep(WARM_UP_MS);
  const course = new Course(stage, options);
  await fault.run(course);
  const reference = fault.promise.from === "begin" ? course.begunAt : course.endedAt;
  const goodAt = reference + fault.promise.goodAfterMs + options.roomMs;
  await sleep(Math.max(0, goodAt + WATCH_MS - nowMs()));
  const unwhole = await untilWhole(stage, goodAt);
  await load.call("quiesce");
  const window = await load.call("window", from, Number.POSITIVE_INFINITY);
  await stage.mend();
  return judge(fault, course, window, await auditor.audit(), unwhole);
}

/** Until the pools have their minimum, and no transaction is left open. @returns what is not so in time. */
async function untilWhole({ postgres, replicasOf }: Stage, goodAt: number): Promise<string[]> {
  for (;;) {
    const rows = await postgres.query<{ service: string; count: number; open: number }>(`
      select application_name as service, count(*)::int as count, count(*) filter (
        where state like 'idle in transaction%' and now() - state_change > interval '1 s')::int as open
      from pg_stat_activity where datname = current_database() group by 1`);
    const pools = new Map(rows.map((row) => [row.service, row]));
    const small: string[] = [];
    const open: string[] = [];
    for (const service of WITH_DATABASE) {
      const { count = 0, open: transactions = 0 } = pools.get(service) ?? {};
      const least = MIN_CONNECTIONS * replicasOf(service).filter((replica) => replica.isRunning()).length;
      if (count < least)
        small.push(`${service} has ${count} sessions in PostgreSQL, ${least} are the minimum`);
      if (transactions > 0) open.push(`${service} has left ${transactions} transactions open`);
    }
    if (small.length === 0 && open.length === 0) return [];
    if (small.length > 0 && nowMs() > goodAt + WHOLE_WITHIN_MS) return [...small, ...open];
    if (nowMs() > goodAt + ABANDONED_WITHIN_MS) return open;
    await sleep(LOOK_MS);
  }
}
