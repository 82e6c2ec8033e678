import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { requestRecorder } from "../common/metrics.ts";
import type { Admission } from "./admission.ts";
import { refusedRequests } from "./admission-metrics.ts";
import type { IncomingRequest } from "./incoming.ts";
import { sendProblem } from "./problem-response.ts";

/** Requests that wait on one connection behind another one of it (pipelining); replies must keep their order. */
const MAX_WAITING_ON_CONNECTION = 32;
/** Whoever watches the process must see that it lives. */
const ALWAYS_OPEN: ReadonlySet<string> = new Set(["/health", "/ready"]);
const recorder = requestRecorder("other", "unmatched");

/** Where requests come in, before it is known what they want. */
export function doorOf(admission: Pick<Admission, "refusesAtDoor" | "pause">) {
  const waiting = new WeakMap<Socket, number>();

  /** Node reads all that comes on a connection, and would begin any number of requests before the first reply. */
  function isTooFarAhead({ socket }: IncomingRequest, response: ServerResponse): boolean {
    // It has none while another request of its connection is being answered.
    if (response.socket) return false;
    const count = (waiting.get(socket) ?? 0) + 1;
    if (count > MAX_WAITING_ON_CONNECTION) return true;
    waiting.set(socket, count);
    response.once("close", () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1));
    return false;
  }

  return {
    /** False when the request was refused. */
    opens(request: IncomingRequest, response: ServerResponse): boolean {
      if (isTooFarAhead(request, response)) {
        refusedRequests.labels("connection").inc();
        refuse(request, response, { Connection: "close" });
        return false;
      }
      if (ALWAYS_OPEN.has(request.originalUrl) || !admission.refusesAtDoor()) return true;
      admission.pause.refused(response);
      refuse(request, response);
      return false;
    },
  };
}

function refuse({ requestId }: IncomingRequest, response: ServerResponse, headers = {}): void {
  const startedAt = performance.now();
  response.once("close", () => recorder.answered(response.statusCode, startedAt));
  recorder.refused("OVERLOADED");
  sendProblem(response, "OVERLOADED", {}, "/", { "X-Request-ID": requestId, ...headers });
}
