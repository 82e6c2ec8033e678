import type { IncomingMessage, ServerResponse } from "node:http";
import { requestRecorder } from "../common/metrics.ts";
import type { Principal } from "../common/principal.ts";
import { problemKinds, problemOf } from "../common/problem.ts";
import type { Log } from "../common/service.ts";
import { parseMembers } from "../common/validation.ts";
import { sendProblem } from "./problem-response.ts";
import { parametersOf, type Received } from "./request.ts";
import { sendResult } from "./response.ts";
import type { Route } from "./routes.ts";

/** One hop: an action's name, its parameters, for whom, how long it may take, and the id that logs carry. */
export type CallAction = (
  action: string,
  params: object,
  options: { principal: Principal; timeoutMs: number; requestId: string },
) => Promise<unknown>;

export interface HandlerDependencies {
  readonly authenticate: (header: string | undefined, requestId: string) => Principal | Promise<Principal>;
  readonly call: CallAction;
  readonly requestTimeoutMs: number;
  /** Stop is near: connections are closed after their reply. */
  readonly isDraining: () => boolean;
  readonly log: Log;
}

export type RouteHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  received: Received & { readonly requestId: string },
) => Promise<void>;

/**
 * The way of a request through the gateway: who asks, what is asked (both refused here, before any hop, if they are
 * not right), one call of the owning service, the reply.
 */
export function routeHandler(route: Route, dependencies: HandlerDependencies): RouteHandler {
  const { authenticate, call, requestTimeoutMs, isDraining, log } = dependencies;
  const { action, entry, method, path, pattern } = route;
  const recorder = requestRecorder(method, path);

  return async (request, response, { requestId, ...received }) => {
    const startedAt = performance.now();
    response.once("close", () => recorder.answered(response.statusCode, startedAt));
    if (isDraining()) response.setHeader("Connection", "close");
    try {
      const principal = await authenticate(request.headers.authorization, requestId);
      const params = await parametersOf(route, request, response, received);
      parseMembers(entry.params, params);
      const timeoutMs = Math.max(1, Math.ceil(requestTimeoutMs - (performance.now() - startedAt)));
      sendResult(response, route, await call(action, params, { principal, timeoutMs, requestId }));
    } catch (error) {
      const { code, data } = problemOf(error);
      recorder.refused(code);
      if (problemKinds[code].status >= 500) {
        log.error({ requestId, action, problem: code, err: error }, "Request failed.");
      }
      sendProblem(response, code, data, pattern);
    }
  };
}
