import { setTimeout as sleep } from "node:timers/promises";
import { nowMs } from "../clock.ts";
import type { Course, Fault } from "../fault.ts";
import {
  INTERVAL_MS,
  type Interval,
  type OpenLoadPlan,
  type OpenLoadResult,
  runOpenLoad,
  summed,
} from "../load/open-load.ts";
import type { Stage } from "../stage.ts";

/** Requests a second, by steps, until more brings clearly less. */
const STEPS = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000];
const STEP_SECONDS = 8;
const CLEARLY_LESS = 0.7;
const PAUSE_MS = 2_000;
const TIMES = 10;
const BURST_SECONDS = 10;
const CONNECTIONS = 2_000;
/** Others than the clients of the constant load, who are not to suffer. */
const CALLERS = 200;
/** For a connection that is free, and for a reply. */
const PATIENCE_MS = 5_000;
/** While requests are admitted at a rate that has to be found first. */
const ADAPTING_SECONDS = 2;
const KEPT_SHARE = 0.9;
/** "At once", for the middle one of those that are refused. */
const REFUSED_WITHIN_MS = 100;
/** Recovered is who is as fast as before, or three times as slow; and nobody who is faster than this is slow. */
const RECOVERED_WITHIN_MS = 1_000;
const SLOWER_MAX = 3;
const FAST_MS = 100;
/** What is sent meanwhile shows whether it has recovered. */
const RECOVERED_LOOK_MS = 2_000;
const LOOK_MS = 1_000;
const LOOK_TIMEOUT_MS = 2_000;

type Burst = (perSecond: number, seconds: number) => Promise<OpenLoadResult>;

type Request = Pick<OpenLoadPlan, "method" | "path" | "body">;

/** The same request again and again, beyond the constant load. */
async function burstOf({ replicas, issuer }: Stage, request: Request): Promise<Burst> {
  const callers = Array.from({ length: CALLERS }, (_, index) => issuer.token(`burst-${index}`));
  const tokens = await Promise.all(callers);
  return (perSecond, seconds) =>
    runOpenLoad({
      urls: replicas.flatMap(({ url }) => url ?? []),
      ...request,
      tokens,
      phases: [{ perSecond, seconds }],
      connections: CONNECTIONS,
      patienceMs: PATIENCE_MS,
    });
}

function between(intervals: readonly Interval[], from: number, to: number): readonly Interval[] {
  return intervals.slice((from * 1_000) / INTERVAL_MS, (to * 1_000) / INTERVAL_MS);
}

/** The most replies a second. */
async function peakOf(burst: Burst): Promise<number> {
  let peak = 0;
  for (const perSecond of STEPS) {
    const { intervals } = await burst(perSecond, STEP_SECONDS);
    const { goodput } = summed(between(intervals, ADAPTING_SECONDS, STEP_SECONDS));
    if (goodput < CLEARLY_LESS * peak) break;
    peak = Math.max(peak, goodput);
    await sleep(PAUSE_MS);
  }
  return peak;
}

/** Asks what must always answer, until told to stop. @returns what did not. */
async function watch({ replicas }: Stage, isOver: () => boolean): Promise<string[]> {
  const faults: string[] = [];
  const urls = replicas.flatMap(({ metricsUrl, url }) => [
    `${metricsUrl}/metrics`,
    `${metricsUrl}/health`,
    ...(url === undefined ? [] : [`${url}/health`]),
  ]);
  async function look(url: string): Promise<void> {
    while (!isOver()) {
      const status = await fetch(url, { signal: AbortSignal.timeout(LOOK_TIMEOUT_MS) }).then(
        async (reply) => {
          await reply.arrayBuffer();
          return reply.status;
        },
        (error: Error) => error.message,
      );
      if (status !== 200) faults.push(`${url}: ${status}`);
      await sleep(LOOK_MS);
    }
  }
  await Promise.all(urls.map(look));
  return faults;
}

function judgeBurst(course: Course, { intervals, unsent }: OpenLoadResult, peak: number): void {
  const { goodput, refusedMs } = summed(between(intervals, ADAPTING_SECONDS, BURST_SECONDS));
  const all = summed(intervals);
  course.note(
    `goodput ${Math.round(goodput)}/s of a peak of ${Math.round(peak)}/s; of ${Math.round(peak * TIMES)}/s that were due, ` +
      `${unsent} found no connection, ${all.succeeded} succeeded, ${all.refused} were refused ` +
      `(P50 ${refusedMs.p50} ms, P99 ${refusedMs.p99} ms)`,
  );
  if (goodput < KEPT_SHARE * peak)
    course.break(`goodput fell to ${Math.round((100 * goodput) / peak)} % of its peak`);
  const unexplained = all.other + all.unanswered + all.refused - all.refusedWithRetryAfter;
  if (unexplained > 0) course.break(`${unexplained} were neither answered nor refused with Retry-After`);
  if (refusedMs.p50 > REFUSED_WITHIN_MS + course.roomMs)
    course.break(`half of the refusals took ${refusedMs.p50} ms or more`);
}

async function judgeRecovery(course: Course, beforeMs: number): Promise<void> {
  const { load } = course.stage;
  const recoveredAt = course.endedAt + RECOVERED_WITHIN_MS + course.roomMs;
  const lookedAt = recoveredAt + RECOVERED_LOOK_MS;
  await sleep(Math.max(0, lookedAt + RECOVERED_LOOK_MS - nowMs()));
  const { okMs } = await load.call("window", recoveredAt, lookedAt);
  if (okMs.p50 > Math.max(FAST_MS, SLOWER_MAX * beforeMs)) {
    course.break(
      `the middle request sent ${RECOVERED_WITHIN_MS} ms afterwards took ${Math.round(okMs.p50)} ms, and ${Math.round(beforeMs)} ms before`,
    );
  }
}

async function overload(course: Course, request: Request): Promise<void> {
  const { stage } = course;
  const calmAt = nowMs();
  await sleep(PAUSE_MS);
  const calm = await stage.load.call("window", calmAt, nowMs());
  const burst = await burstOf(stage, request);
  const peak = await peakOf(burst);
  let isOver = false;
  const watching = watch(stage, () => isOver);
  course.begin();
  const result = await burst(peak * TIMES, BURST_SECONDS);
  course.end();
  isOver = true;
  for (const fault of (await watching).slice(0, 1)) course.break(`no health or metrics: ${fault}`);
  judgeBurst(course, result, peak);
  await judgeRecovery(course, calm.okMs.p50);
}

const promise = { goodAfterMs: RECOVERED_WITHIN_MS, from: "end" } as const;
const DATABASE_DELAY_MS = 20;

export const overloads: readonly Fault[] = [
  {
    name: "overload-processor",
    title: `${TIMES} times what the processors bear, for ${BURST_SECONDS} s`,
    rateShare: 0.2,
    promise,
    run: (course) => overload(course, { method: "GET", path: "/v1/portfolios?limit=10" }),
  },
  {
    name: "overload-database",
    title: `${TIMES} times what PostgreSQL bears, ${DATABASE_DELAY_MS} ms away, for ${BURST_SECONDS} s`,
    // What is written needs several turns, of 40 ms each.
    rateShare: 0.2,
    promise,
    async run(course) {
      const { proxies } = course.stage;
      await proxies.take("postgres", { kind: "latency", milliseconds: DATABASE_DELAY_MS });
      await overload(course, { method: "POST", path: "/v1/portfolios", body: '{"name":"One of many"}' });
      await proxies.take("postgres", { kind: "forward" });
    },
  },
];
