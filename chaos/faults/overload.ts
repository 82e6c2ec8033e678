import { setTimeout as sleep } from "node:timers/promises";
import { nowMs } from "../clock.ts";
import type { Course, Fault } from "../fault.ts";
import type { Stage } from "../stage.ts";

/** Beyond the constant load, by steps, until more does not bring more. */
const STEPS = [1, 2, 3, 4, 6, 8];
const STEP_MS = 2_500;
const CLEARLY_LESS = 0.7;
const PAUSE_MS = 2_000;
const TIMES = 10;
const BURST_MS = 10_000;
/** While requests are admitted at a rate that has to be found first. */
const ADAPTING_MS = 2_000;
const KEPT_SHARE = 0.9;
/** "At once", for the middle one of those that are refused. */
const REFUSED_WITHIN_MS = 100;
/** Recovered is who is as fast as before, or three times as slow; and nobody who is faster than this is slow. */
const RECOVERED_WITHIN_MS = 1_000;
const SLOWER_MAX = 3;
const FAST_MS = 100;
/** What is sent meanwhile shows whether it has recovered. */
const RECOVERED_LOOK_MS = 2_000;
const LOOK_MS = 200;
const LOOK_TIMEOUT_MS = 2_000;

/** Replies per second that say that all is well, of what was sent in a while. */
async function goodput({ load }: Stage, from: number, to: number): Promise<number> {
  const { sent, failed, burst } = await load.call("window", from, to);
  return ((sent - failed + burst.ok) * 1000) / (to - from);
}

async function peakOf({ stage, rate }: Course): Promise<number> {
  const spans: { from: number; to: number }[] = [];
  for (const step of STEPS) {
    await stage.load.call("setBurstRate", rate * step);
    const from = nowMs() + 500;
    await sleep(STEP_MS);
    spans.push({ from, to: nowMs() });
    const sofar = await Promise.all(spans.map(({ from, to }) => goodput(stage, from, to - 500)));
    if ((sofar.at(-1) ?? 0) < CLEARLY_LESS * Math.max(...sofar)) break;
  }
  await stage.load.call("setBurstRate", 0);
  await sleep(PAUSE_MS);
  return Math.max(...(await Promise.all(spans.map(({ from, to }) => goodput(stage, from, to)))));
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

export const overload: Fault = {
  name: "overload",
  title: `${TIMES} times the constant load for ${BURST_MS / 1000} s`,
  promise: { goodAfterMs: RECOVERED_WITHIN_MS, from: "end" },
  async run(course) {
    const { stage, rate, roomMs } = course;
    const calm = await stage.load.call("window", 0, nowMs());
    const peak = await peakOf(course);
    let isOver = false;
    const watching = watch(stage, () => isOver);
    course.begin();
    await stage.load.call("setBurstRate", rate * (TIMES - 1));
    await sleep(BURST_MS);
    await stage.load.call("setBurstRate", 0);
    course.end();
    isOver = true;
    const unanswered = await watching;
    const recoveredAt = course.endedAt + RECOVERED_WITHIN_MS + roomMs;
    const lookedAt = recoveredAt + RECOVERED_LOOK_MS;
    await sleep(Math.max(0, lookedAt + RECOVERED_LOOK_MS - nowMs()));
    const { okMs } = await stage.load.call("window", recoveredAt, lookedAt);
    if (okMs.p50 > Math.max(FAST_MS, SLOWER_MAX * calm.okMs.p50)) {
      course.break(
        `the middle request sent ${RECOVERED_WITHIN_MS} ms afterwards took ${Math.round(okMs.p50)} ms, and ${Math.round(calm.okMs.p50)} ms before`,
      );
    }
    const from = course.begunAt + ADAPTING_MS;
    const kept = await goodput(stage, from, course.endedAt);
    const { burst } = await stage.load.call("window", from, course.endedAt);
    course.note(
      `goodput ${Math.round(kept)}/s of a peak of ${Math.round(peak)}/s; of ${burst.sent} sent beyond the load, ` +
        `${burst.ok} succeeded (P99 ${Math.round(burst.okMs.p99)} ms), ${burst.refused} were refused ` +
        `(P50 ${Math.round(burst.refusedMs.p50)} ms, P99 ${Math.round(burst.refusedMs.p99)} ms)`,
    );
    if (kept < KEPT_SHARE * peak)
      course.break(`goodput fell to ${Math.round((100 * kept) / peak)} % of its peak`);
    if (burst.other > 0) course.break(`${burst.other} of the burst were neither answered nor refused`);
    if (burst.refusedMs.p50 > REFUSED_WITHIN_MS + roomMs)
      course.break(`half of the refusals took ${Math.round(burst.refusedMs.p50)} ms or more`);
    if (unanswered.length > 0)
      course.break(`${unanswered.length} × no health or metrics, e.g. ${unanswered[0]}`);
  },
};
