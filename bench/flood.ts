/** The process that makes the flood, forked by flood-process.ts: requests at a fixed rate, whatever the answers. */
import { Agent, get } from "node:http";
import type { FloodCommand, FloodMessage, FloodPlan } from "./flood-plan.ts";
import { badTokens } from "./flood-tokens.ts";

/** Requests are sent so often, as many as are due. */
const TICK_MS = 5;
/** Connections, and with them requests in flight; what is due beyond is not sent, so that the process stays small. */
const IN_FLIGHT_MAX = 500;
const REPLY_TIMEOUT_MS = 20_000;

/** Floods until it is told to stop; waits for the last answers. */
function startFlood({ kind, url, issuerUrl, requestsPerSecond }: FloodPlan) {
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT_MAX, timeout: REPLY_TIMEOUT_MS });
  const nextToken = badTokens(issuerUrl);
  const target = new URL("/v1/portfolios", url);
  const answers: Record<string, number> = {};
  const startedAt = performance.now();
  let due = 0;
  let inFlight = 0;
  let allAnswered: (() => void) | undefined;

  function answered(answer: string): void {
    answers[answer] = (answers[answer] ?? 0) + 1;
    inFlight -= 1;
    if (inFlight === 0) allAnswered?.();
  }

  function send(): void {
    inFlight += 1;
    // The control's header is as long: the same bytes are made, sent and parsed.
    const token = kind === "bad tokens" ? nextToken() : nextToken().replaceAll(".", "*");
    const request = get(target, { agent, headers: { authorization: `Bearer ${token}` } }, (response) => {
      response.resume().once("end", () => answered(`status ${response.statusCode}`));
    });
    request.once("timeout", () => request.destroy(new Error("no reply in time")));
    request.once("error", (error) => answered(error.message));
  }

  const timer = setInterval(() => {
    const dueByNow = ((performance.now() - startedAt) / 1000) * requestsPerSecond;
    for (; due < dueByNow; due += 1) if (inFlight < IN_FLIGHT_MAX) send();
  }, TICK_MS);

  return async function stop() {
    clearInterval(timer);
    const seconds = (performance.now() - startedAt) / 1000;
    if (inFlight > 0) await new Promise<void>((resolve) => (allAnswered = resolve));
    agent.destroy();
    return { seconds, answers };
  };
}

function tell(message: FloodMessage): void {
  // When the parent has died in the meantime, the disconnection ends this process too.
  process.send?.(message, undefined, undefined, () => {});
}

let stop: ReturnType<typeof startFlood> | undefined;
process.on("message", async (command: FloodCommand) => {
  if (command !== "stop") {
    stop = startFlood(command.start);
    tell({ started: true });
  } else if (stop) tell({ result: await stop() });
});
process.once("disconnect", () => process.exit(0));
// Ctrl-C reaches the whole process group; the parent decides when this one stops.
process.on("SIGINT", () => {});
