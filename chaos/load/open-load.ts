import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { percentile } from "../../bench/statistics.ts";

/** A phase of a load: so many requests each second, for so long. */
export interface LoadPhase {
  readonly perSecond: number;
  readonly seconds: number;
}

/** A request as it is sent again and again, each time with the next of these tokens. */
export interface OpenLoadPlan {
  /** Connections are spread over them. */
  readonly urls: readonly string[];
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
  readonly tokens: readonly string[];
  readonly phases: readonly LoadPhase[];
  /** A request for which no connection is free by its time waits for one. */
  readonly connections: number;
  /** Who waits longer for a connection is never sent; who waits longer for a reply gives up, and connects anew. */
  readonly patienceMs: number;
}

/** What became of the requests that were due in one tenth of a second, and were sent. */
export interface Interval {
  sent: number;
  /** Replies with status 2xx that came in this tenth, whenever their requests were due. */
  came: number;
  /** Status 2xx. */
  succeeded: number;
  /** Status 503. */
  refused: number;
  /** Of those, how many were told when to come back. */
  refusedWithRetryAfter: number;
  /** Any other status. */
  other: number;
  /** No reply in time, or a connection that was lost. */
  unanswered: number;
  /** How long refusals took, but for clients who were refused before and did not wait as they were told. */
  readonly refusedMs: number[];
}

export interface OpenLoadResult {
  readonly intervals: readonly Interval[];
  /** For which no connection was free in time. */
  readonly unsent: number;
}

export const INTERVAL_MS = 100;

/** Sends requests at their time whether or not earlier ones were answered, from a process of its own. */
export async function runOpenLoad(plan: OpenLoadPlan): Promise<OpenLoadResult> {
  const child = fork(fileURLToPath(new URL("open-load-process.ts", import.meta.url)), { execArgv: [] });
  const ended = once(child, "exit");
  child.send(plan);
  const reply = await Promise.race([once(child, "message"), ended.then(() => undefined)]);
  if (!reply) throw new Error("The process that makes the load has ended.");
  child.kill();
  await ended;
  return reply[0] as OpenLoadResult;
}

/** The sums of some intervals. */
export function summed(intervals: readonly Interval[]) {
  const sum = (count: (interval: Interval) => number) =>
    intervals.reduce((total, interval) => total + count(interval), 0);
  const refusedMs = intervals.flatMap((interval) => interval.refusedMs).sort((one, other) => one - other);
  const seconds = (intervals.length * INTERVAL_MS) / 1000;
  return {
    sent: sum(({ sent }) => sent),
    goodput: sum(({ came }) => came) / seconds,
    succeeded: sum(({ succeeded }) => succeeded),
    refused: sum(({ refused }) => refused),
    refusedWithRetryAfter: sum(({ refusedWithRetryAfter }) => refusedWithRetryAfter),
    other: sum(({ other }) => other),
    unanswered: sum(({ unanswered }) => unanswered),
    refusedMs: { p50: Math.round(percentile(refusedMs, 50)), p99: Math.round(percentile(refusedMs, 99)) },
  };
}
