import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A stage of a load: so many requests each second, for so long. */
export interface LoadStage {
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
  readonly stages: readonly LoadStage[];
  /** A request for which no connection is free by its time waits for one. */
  readonly connections: number;
  /** Who waits longer for a connection is never sent; who waits longer for a reply gives up, and connects anew. */
  readonly patienceMs: number;
}

/** What became of the requests that were due in one tenth of a second, and were sent. */
export interface Slot {
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
  /** How long those that succeeded took, from when they were due. */
  readonly succeededMs: number[];
  /** How long refusals took, but for clients who were refused before and did not wait as they were told. */
  readonly refusedMs: number[];
}

export interface OpenLoadResult {
  readonly slots: readonly Slot[];
  /** For which no connection was free in time. */
  readonly unsent: number;
}

export const SLOT_MS = 100;

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

/** The sums of some slots. */
export function summed(slots: readonly Slot[]) {
  const sum = (count: (slot: Slot) => number) => slots.reduce((total, slot) => total + count(slot), 0);
  const sorted = (times: (slot: Slot) => readonly number[]) => slots.flatMap(times).sort((a, b) => a - b);
  const seconds = (slots.length * SLOT_MS) / 1000;
  return {
    sent: sum(({ sent }) => sent),
    goodput: sum(({ came }) => came) / seconds,
    succeeded: sum(({ succeeded }) => succeeded),
    refused: sum(({ refused }) => refused),
    refusedWithRetryAfter: sum(({ refusedWithRetryAfter }) => refusedWithRetryAfter),
    other: sum(({ other }) => other),
    unanswered: sum(({ unanswered }) => unanswered),
    succeededMs: quantilesOf(sorted(({ succeededMs }) => succeededMs)),
    refusedMs: quantilesOf(sorted(({ refusedMs }) => refusedMs)),
  };
}

function quantilesOf(sorted: readonly number[]) {
  const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}
