/**
 * The process that makes the load, forked by load-process.ts: autocannon, one plan at a time.
 * Latencies are autocannon's own per reply (nanosecond clock, from writing the request to the end of its reply); all of
 * them are kept and sorted, so percentiles are exact and not bound to the 1 ms steps of autocannon's histogram.
 */
import autocannon from "autocannon";
import { type Exercise, exerciseOf, type Question } from "./exercises.ts";
import type { LoadMessage, LoadPlan, LoadResult } from "./load-plan.ts";
import { startRenames } from "./renames.ts";
import { percentile } from "./statistics.ts";

/** How often autocannon looks whether it is done, and how often progress is told. */
const TICK_MS = 100;
const REPLY_TIMEOUT_SECONDS = 20;
/** After so many connections that fail, a run ends: nobody is listening any more. */
const CONNECTION_ERRORS_MAX = 200;

/** What is counted while a plan runs. */
class Tally {
  readonly latenciesMs: Float64Array;
  readonly faults: Record<string, number> = {};
  replies = 0;
  right = 0;
  firstRequestAt = 0;
  lastReplyAt = 0;

  constructor(requests: number) {
    this.latenciesMs = new Float64Array(requests);
  }

  fault(text: string): void {
    this.faults[text] = (this.faults[text] ?? 0) + 1;
  }
}

async function run(plan: LoadPlan): Promise<LoadResult> {
  const userNumbers = plan.callers.map(({ userNumber }) => userNumber);
  const renames = plan.kind === "fresh" ? await startRenames(plan.databaseUrl, userNumbers) : undefined;
  const exercise = exerciseOf(plan, renames);
  const tally = new Tally(plan.requests);
  const progress = setInterval(() => tell({ progress: tally.replies / plan.requests }), TICK_MS);
  const cpuBefore = process.cpuUsage();
  let connection = 0;
  try {
    await autocannon({
      url: plan.url,
      connections: plan.connections,
      amount: plan.requests,
      timeout: REPLY_TIMEOUT_SECONDS,
      bailout: CONNECTION_ERRORS_MAX,
      sampleInt: TICK_MS,
      setupClient: (client) => setUp(client, connection++, plan, exercise, tally),
    });
  } finally {
    clearInterval(progress);
  }
  const cpu = process.cpuUsage(cpuBefore);
  const lost = plan.requests - tally.replies;
  if (lost > 0) tally.faults["no reply"] = lost;
  const sorted = tally.latenciesMs.subarray(0, tally.replies).sort();
  return {
    requests: plan.requests,
    right: tally.right,
    faults: tally.faults,
    seconds: (tally.lastReplyAt - tally.firstRequestAt) / 1000,
    latencyMs: { p50: percentile(sorted, 50), p95: percentile(sorted, 95), p99: percentile(sorted, 99) },
    cpuSeconds: (cpu.user + cpu.system) / 1_000_000,
    renames: await renames?.stop(),
  };
}

/** Lets one connection ask the exercise's questions, each made just before it is sent. */
function setUp(
  client: autocannon.Client,
  connection: number,
  plan: LoadPlan,
  exercise: Exercise,
  tally: Tally,
): void {
  let question: Question;
  client.setRequests([
    {
      method: plan.kind === "write" ? "POST" : "GET",
      path: "/v1/portfolios",
      setupRequest: (request) => {
        tally.firstRequestAt ||= performance.now();
        question = exercise(connection);
        const authorization = `Bearer ${question.token}`;
        if (question.body === undefined) return { ...request, headers: { authorization } };
        return {
          ...request,
          headers: { authorization, "content-type": "application/json" },
          body: question.body,
        };
      },
      onResponse: (status, body) => {
        const fault = question.check(status, body);
        if (fault) tally.fault(fault);
        else tally.right += 1;
      },
    },
  ]);
  client.on("response", (_status, _bytes, latencyMs) => {
    tally.latenciesMs[tally.replies] = latencyMs;
    tally.replies += 1;
    tally.lastReplyAt = performance.now();
  });
  // autocannon's types do not know this one.
  const emitter: NodeJS.EventEmitter = client;
  emitter.on("connError", (error: Error) => tally.fault(`connection: ${error.message}`));
}

function tell(message: LoadMessage): void {
  // When the parent has died in the meantime, the disconnection ends this process too.
  process.send?.(message, undefined, undefined, () => {});
}

process.on("message", (plan: LoadPlan) => {
  run(plan).then(
    (result) => tell({ result }),
    (error: Error) => tell({ failure: error.stack ?? error.message }),
  );
});
process.once("disconnect", () => process.exit(0));
// Ctrl-C reaches the whole process group; the parent decides when this one stops.
process.on("SIGINT", () => {});
