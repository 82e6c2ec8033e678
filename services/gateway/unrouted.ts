import type { IncomingMessage, ServerResponse } from "node:http";
import { requestRecorder } from "../common/metrics.ts";
import { sendProblem } from "./problem-response.ts";

interface Routed {
  readonly method: string;
  readonly pattern: string;
}

const MAX_INSTANCE_LENGTH = 200;
/** All that found no route count as one, so that made-up addresses make no new series. */
const recorder = requestRecorder("other", "unmatched");

/** Answers what no route took: 404; or 405 where other methods are offered; OPTIONS with what is (RFC 9110). */
export function refuseUnrouted(
  routes: readonly Routed[],
  request: IncomingMessage & { readonly originalUrl: string },
  response: ServerResponse,
): void {
  const startedAt = performance.now();
  response.once("close", () => recorder.answered(response.statusCode, startedAt));
  const path = request.originalUrl.split("?", 1)[0] as string;
  const instance = path.slice(0, MAX_INSTANCE_LENGTH);
  const allow = allowedAt(routes, path);
  if (allow.length === 0) {
    recorder.refused("ROUTE_NOT_FOUND");
    return sendProblem(response, "ROUTE_NOT_FOUND", {}, instance);
  }
  const Allow = allow.join(", ");
  if (request.method === "OPTIONS") {
    response.writeHead(204, { Allow }).end();
    return;
  }
  recorder.refused("METHOD_NOT_ALLOWED");
  sendProblem(response, "METHOD_NOT_ALLOWED", { detail: `This address offers ${Allow}.` }, instance, {
    Allow,
  });
}

/** The methods that a path offers; none when there is nothing. */
function allowedAt(routes: readonly Routed[], path: string): string[] {
  const methods = new Set(routes.filter(({ pattern }) => matches(pattern, path)).map(({ method }) => method));
  if (methods.has("GET")) methods.add("HEAD");
  return methods.size === 0 ? [] : [...methods, "OPTIONS"];
}

function matches(pattern: string, path: string): boolean {
  const expected = pattern.split("/");
  const steps = path.replace(/(.)\/$/, "$1").split("/");
  return (
    expected.length === steps.length &&
    expected.every((step, index) => (step.startsWith(":") ? steps[index] !== "" : step === steps[index]))
  );
}
