/** The process that makes the load of `--scale`, forked by load-process.ts: at a fixed rate, or so many at once. */
import { Agent, request } from "node:http";
import type { LoadMessage } from "./load-plan.ts";
import { type Exercise, exercises } from "./scale-exercises.ts";
import type { ScaleLoadPlan, ScaleLoadResult } from "./scale-load-plan.ts";
import { percentile } from "./statistics.ts";

/** Beyond so many under way, what is due at a fixed rate is not sent, so that the process stays small. */
const IN_FLIGHT_MAX = 500;
const REPLY_TIMEOUT_MS = 20_000;
const PROGRESS_INTERVAL_MS = 200;

/** What is counted while a plan runs. */
class Tally {
  readonly latenciesMs: number[] = [];
  readonly faults: Record<string, number> = {};
  requests = 0;
  right = 0;
  created = 0;
  unsent = 0;

  judged(exercise: Exercise, status: number, body: string): void {
    const fault = exercise.check(status, body);
    if (fault) return this.fault(fault);
    this.right += 1;
    if (exercise.kind === "create") this.created += 1;
  }

  fault(text: string): void {
    this.faults[text] = (this.faults[text] ?? 0) + 1;
  }
}

async function run(plan: ScaleLoadPlan): Promise<ScaleLoadResult> {
  const tally = new Tally();
  const next = exercises(plan);
  const { send, close } = sender(plan.urls, tally);
  const startedAt = performance.now();
  const endsAt = startedAt + plan.seconds * 1000;
  const progress = setInterval(
    () => tell({ progress: Math.min(1, (performance.now() - startedAt) / (endsAt - startedAt)) }),
    PROGRESS_INTERVAL_MS,
  );
  try {
    if (plan.ratePerSecond === undefined) await closedLoop(plan.connections, endsAt, next, send);
    else await openLoop(plan.ratePerSecond, endsAt, next, send, tally);
  } finally {
    clearInterval(progress);
    close();
  }
  const sorted = tally.latenciesMs.sort((one, other) => one - other);
  const { requests, right, faults, created, unsent } = tally;
  return {
    requests,
    right,
    faults,
    created,
    unsent,
    seconds: (performance.now() - startedAt) / 1000,
    latencyMs: { p50: percentile(sorted, 50), p99: percentile(sorted, 99) },
  };
}

type Next = () => Exercise | undefined;
type Send = (exercise: Exercise) => Promise<void>;

/** Sends to the gateways in turn over connections that are kept open. */
function sender(urls: readonly string[], tally: Tally) {
  const targets = urls.map((url) => ({
    url,
    agent: new Agent({ keepAlive: true, maxSockets: IN_FLIGHT_MAX, timeout: REPLY_TIMEOUT_MS }),
  }));
  function send(exercise: Exercise): Promise<void> {
    const { url, agent } = targets[tally.requests % targets.length] as (typeof targets)[number];
    tally.requests += 1;
    const sentAt = performance.now();
    return new Promise((resolve) => {
      const lost = (error: Error) => {
        tally.fault(`no reply: ${error.message}`);
        resolve();
      };
      const { method, path, token, body } = exercise;
      const headers = {
        authorization: `Bearer ${token}`,
        ...(method === "POST" && { "content-length": Buffer.byteLength(body ?? "") }),
        ...(body !== undefined && { "content-type": "application/json" }),
      };
      const asking = request(`${url}${path}`, { agent, method, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", lost);
        response.once("end", () => {
          tally.latenciesMs.push(performance.now() - sentAt);
          tally.judged(exercise, response.statusCode ?? 0, Buffer.concat(chunks).toString());
          resolve();
        });
      });
      asking.once("timeout", () => asking.destroy(new Error("none in time")));
      asking.once("error", lost);
      asking.end(body);
    });
  }
  return { send, close: () => targets.forEach(({ agent }) => void agent.destroy()) };
}

async function closedLoop(connections: number, endsAt: number, next: Next, send: Send): Promise<void> {
  async function ask(): Promise<void> {
    while (performance.now() < endsAt) {
      const exercise = next();
      if (!exercise) return;
      await send(exercise);
    }
  }
  await Promise.all(Array.from({ length: connections }, ask));
}

/** Requests come at random, independently of each other, as they do from many people. */
async function openLoop(
  ratePerSecond: number,
  endsAt: number,
  next: Next,
  send: Send,
  tally: Tally,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  let dueAt = performance.now();
  while (dueAt < endsAt) {
    const now = performance.now();
    if (now < dueAt) await new Promise((resolve) => setTimeout(resolve, dueAt - now));
    dueAt += (-Math.log(1 - Math.random()) * 1000) / ratePerSecond;
    if (underWay.size >= IN_FLIGHT_MAX) {
      tally.unsent += 1;
      continue;
    }
    const exercise = next();
    if (!exercise) break;
    const sending = send(exercise).then(() => void underWay.delete(sending));
    underWay.add(sending);
  }
  await Promise.all(underWay);
}

function tell(message: LoadMessage<ScaleLoadResult>): void {
  // When the parent has died in the meantime, the disconnection ends this process too.
  process.send?.(message, undefined, undefined, () => {});
}

process.on("message", (plan: ScaleLoadPlan) => {
  run(plan).then(
    (result) => tell({ result }),
    (error: Error) => tell({ failure: error.stack ?? error.message }),
  );
});
process.once("disconnect", () => process.exit(0));
// Ctrl-C reaches the whole process group; the parent decides when this one stops.
process.on("SIGINT", () => {});
