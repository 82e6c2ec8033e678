import type { IncomingMessage, ServerResponse } from "node:http";
import { checkScope } from "../common/access.ts";
import { actRecord } from "../common/act.ts";
import type { Ticket } from "../common/deadline-wire.ts";
import type { IdempotencyKey } from "../common/idempotency/key.ts";
import { requestRecorder } from "../common/metrics.ts";
import type { Principal } from "../common/principal.ts";
import { isProblem, problemKinds, problemOf } from "../common/problem.ts";
import type { Log } from "../common/service.ts";
import { parseMembers } from "../common/validation.ts";
import type { Abandonment } from "./abandonment.ts";
import type { Gate } from "./admission.ts";
import type { RefusalPause } from "./admission-pause.ts";
import type { AskingRequest } from "./authenticate.ts";
import type { CallerLimits } from "./caller-limits.ts";
import { type AddressOf, networkOf } from "./client-address.ts";
import { knownTagsOf } from "./conditional.ts";
import { idempotencyOf } from "./idempotency-key.ts";
import { sendProblem } from "./problem-response.ts";
import { inBody } from "./refusal.ts";
import { parametersOf, type Received } from "./request.ts";
import { sendEveryPage, sendResult } from "./response.ts";
import type { Route } from "./routes.ts";

/** For whom an action is called, from where, how long it may take, and the id that logs carry. */
export interface CallOptions {
  readonly principal: Principal | undefined;
  readonly address: string | undefined;
  readonly timeoutMs: number;
  readonly requestId: string;
  readonly ticket: Ticket;
  /** Of the request's Idempotency-Key, for the action that the request is for. */
  readonly idempotency?: IdempotencyKey | undefined;
}

/** Counted as the status of requests whose clients left before the reply; none was sent (nginx has it so). */
export const CLIENT_LEFT = 499;

/** One hop. */
export type CallAction = (action: string, params: object, options: CallOptions) => Promise<unknown>;

export interface HandlerDependencies {
  readonly authenticate: (
    header: string | undefined,
    request: AskingRequest,
  ) => Principal | Promise<Principal>;
  readonly addressOf: AddressOf;
  readonly limits: Pick<CallerLimits, "countUser" | "countAddress">;
  readonly call: CallAction;
  readonly abandonment: Abandonment;
  readonly gate: (method: string, path: string) => Gate;
  readonly pause: Pick<RefusalPause, "refused">;
  readonly requestTimeoutMs: number;
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
  const { abandonment, addressOf, call, limits, pause, requestTimeoutMs, log } = dependencies;
  const identify = callerOf(dependencies);
  const { action, entry, isConditional, method, path, pattern } = route;
  const recorder = requestRecorder(method, path);
  const gate = dependencies.gate(method, path);
  const isPublic = entry.scope === "public";
  const isWrite = method !== "GET";
  const takesKey = method === "POST";

  function act(params: object, options: CallOptions, idempotency?: IdempotencyKey): Promise<unknown> {
    const { principal } = options;
    const ask = () => call(action, params, idempotency ? { ...options, idempotency } : options);
    if (!principal || !isWrite || principal.scopes === "all") return ask();
    // What a script does with a personal access token is written down before it is done.
    return call("auth.record", actRecord(action, principal, options), options).then(ask);
  }

  return async (request, response, { requestId, ...received }) => {
    const startedAt = performance.now();
    let ticket: Ticket | undefined;
    response.once("close", () => {
      const hasLeft = !response.writableEnded;
      recorder.answered(hasLeft ? CLIENT_LEFT : response.statusCode, startedAt);
      if (hasLeft && ticket && !entry.outlivesClient) abandonment.abandoned(ticket);
    });
    try {
      const address = addressOf(request);
      const principal = isPublic ? undefined : await identify(request, response, { requestId, address });
      if (principal) checkScope(principal, entry);
      else await limits.countAddress(address, response);
      const caller = principal?.userId ?? networkOf(address);
      // Before its body is read, and again when it is let in: until then, a body that comes slowly takes no room.
      gate.check(caller);
      const params = await parametersOf(route, request, response, received);
      parseMembers(entry.params, params);
      const known = isConditional ? knownTagsOf(request.headers["if-none-match"]) : undefined;
      const idempotency = takesKey
        ? idempotencyOf(request.headers["idempotency-key"] as string | undefined, route, params)
        : undefined;
      const enteredAt = performance.now();
      const timeoutMs = Math.max(1, Math.ceil(requestTimeoutMs - (enteredAt - startedAt)));
      if (response.closed) return;
      gate.enter(caller);
      const leave = afterBoth(() => gate.left(caller));
      response.once("close", leave);
      try {
        ticket = abandonment.ticket(timeoutMs);
        const options = { principal, address, timeoutMs, requestId, ticket };
        let result: unknown;
        try {
          result = await act(params, options, idempotency);
        } finally {
          gate.answered(performance.now() - enteredAt);
        }
        if (!entry.everyPage) sendResult(response, route, received, result, known);
        else await sendEveryPage(response, route, result, (cursor) => act({ ...params, cursor }, options));
      } finally {
        leave();
      }
    } catch (error) {
      // What was given up for somebody who has left is no failure, and there is nobody to tell.
      if (response.closed) return;
      const { code, data } = problemOf(error);
      recorder.refused(code);
      // One of many, which their metric counts.
      if (code === "OVERLOADED") pause.refused(response);
      else if (problemKinds[code].status >= 500) {
        log.error({ requestId, action, problem: code, err: error }, "Request failed.");
      }
      sendProblem(response, code, inBody(entry.bodyMember, data), pattern);
    }
  };
}

/**
 * A request's room is free when it is done and its reply has gone out, or its client: who does not read must not be able to
 * ask for more and more, and who leaves must not before what is done for him has ended.
 */
function afterBoth(act: () => void): () => void {
  let missing = 2;
  return () => {
    missing -= 1;
    if (missing === 0) act();
  };
}

/** Who asks; counted as theirs, or, where a token is not valid, as their network's. */
function callerOf({ authenticate, limits }: HandlerDependencies) {
  return async (
    { headers: { authorization } }: IncomingMessage,
    response: ServerResponse,
    asking: AskingRequest,
  ): Promise<Principal> => {
    let principal: Principal;
    try {
      principal = await authenticate(authorization, asking);
    } catch (error) {
      if (isProblem(error, "UNAUTHENTICATED")) await limits.countAddress(asking.address, response);
      throw error;
    }
    const counted = limits.countUser(principal.userId, response);
    // Nearly always it is counted at once.
    if (counted) await counted;
    return principal;
  };
}
