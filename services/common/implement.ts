import type { Context, ServiceSchema } from "moleculer";
import type { z } from "zod";
import { checkScope } from "./access.ts";
import { type CallLimit, callLimit } from "./call-limit.ts";
import { type ActionEntry, type Call, type Contract, isRepeatable } from "./contract.ts";
import { asPartOf, begin, end, type Work } from "./deadline.ts";
import { abandonmentEvents, workOf } from "./deadline-wire.ts";
import { onceWithKey, withoutMemory } from "./idempotency/once-with-key.ts";
import type { Idempotency, Once } from "./idempotency.ts";
import { actionTimer } from "./metrics.ts";
import { CLOCK_LEEWAY_SECONDS, Principal } from "./principal.ts";
import {
  COMMON_PROBLEMS,
  IDEMPOTENCY_KEY_PROBLEMS,
  isProblem,
  type ProblemCode,
  type ProblemData,
  problem,
  problemOf,
} from "./problem.ts";
import { tracedAction } from "./tracing/traced-calls.ts";
import { parseMembers } from "./validation.ts";

/** What a handler is given: checked parameters, who asks, and typed ways to answer and to ask others. */
export interface ActionContext<Entry extends ActionEntry, Uses extends Contract> {
  readonly params: z.output<Entry["params"]>;
  /** Whose request it is; undefined in internal actions, which no user's token reaches. */
  readonly principal: Entry["scope"] extends "internal" | "public" ? undefined : Principal;
  /** Calls an action of a contract that the service `uses`; the remaining time and the request id go along. */
  readonly call: Call<Uses>;
  /** Makes a problem that the contract declares for this action. */
  readonly problem: (code: DeclaredProblem<Entry>, data?: ProblemData) => Error;
  readonly requestId: string;
  /** The network address that the request came from, if it came through the gateway. */
  readonly address: string | undefined;
  /** What is left of the caller's time, in milliseconds; at least 0. */
  readonly remainingMs: () => number;
  /** Does the action's work, once for each Idempotency-Key: every action with a route for POST does its work in it. */
  readonly once: Once;
  /** Aborted when that is over, or when the client has left; statements and `call` obey it by themselves. */
  readonly signal: AbortSignal;
}

type DeclaredProblem<Entry extends ActionEntry> = Entry["problems"] extends readonly (infer Code)[]
  ? Code
  : never;

export type Handlers<C extends Contract, Uses extends Contract> = {
  readonly [Action in keyof C["actions"]]: (
    context: ActionContext<C["actions"][Action], Uses>,
  ) => Promise<z.input<C["actions"][Action]["result"]>>;
};

export interface Implementation<C extends Contract, Uses extends Contract> {
  readonly contract: C;
  /** The contracts whose actions the handlers call. */
  readonly uses?: readonly Uses[];
  readonly handlers: Handlers<C, Uses>;
  /** The problem behind an error of what the service stands on, if it knows it. */
  readonly problemBehind?: (error: unknown) => ProblemCode | undefined;
  /** How many calls may be under way at once; many, unless stated. */
  readonly maxCalls?: number;
  /** Remembers keys; needed where an action has a route for POST. */
  readonly idempotency?: Idempotency;
}

const commonProblems: ReadonlySet<ProblemCode> = new Set([
  ...COMMON_PROBLEMS,
  ...IDEMPOTENCY_KEY_PROBLEMS,
  "REQUEST_ABANDONED",
]);

/**
 * Makes the Moleculer service of a contract. Around each handler, in this order: parameters and principal are checked
 * (also for calls that did not come through the gateway), the call is timed, and what is thrown becomes a problem.
 * The casts between our types and Moleculer's are here and nowhere else.
 */
export function implement<const C extends Contract, const Uses extends Contract = never>(
  implementation: Implementation<C, Uses>,
): ServiceSchema {
  const { contract, handlers } = implementation;
  const limit = callLimit(implementation.maxCalls);
  const actions: Record<string, unknown> = {};
  for (const [action, entry] of Object.entries(contract.actions)) {
    const handler = handlers[action as keyof C["actions"]] as unknown as Handler;
    const name = `${contract.name}.${action}`;
    actions[action] = {
      visibility: "public",
      // Callers learn it with the action: see `liveness/attempts.ts`.
      repeatable: isRepeatable(entry),
      handler: tracedAction(name, entry, guarded(name, entry, handler, implementation, limit)),
    };
  }
  return { name: contract.name, actions, events: abandonmentEvents } as unknown as ServiceSchema;
}

type Handler = (context: ActionContext<ActionEntry, Contract>) => Promise<unknown>;
type Wire = Context<
  Record<string, unknown>,
  { principal?: unknown; address?: unknown; ticket?: unknown; idempotency?: unknown }
>;
type Foundation = Pick<Implementation<Contract, Contract>, "problemBehind" | "idempotency">;

function guarded(
  name: string,
  entry: ActionEntry,
  handler: Handler,
  { problemBehind, idempotency }: Foundation,
  limit: CallLimit,
) {
  const timer = actionTimer(name);
  const outlivesStall = isRepeatable(entry);
  const isInternal = entry.scope === "internal";
  return async (wire: Wire): Promise<unknown> => {
    const startedAt = performance.now();
    if (!limit.enter(isInternal)) {
      timer.failed(startedAt, "OVERLOADED");
      throw limit.refusal(name, wire.broker.nodeID);
    }
    const loggedAs = wire.requestID ?? wire.id;
    const work = workOf(remainingMsOf(wire), wire.meta.ticket, { outlivesStall, loggedAs });
    begin(work);
    try {
      // Its caller has given up already: what it waits for is not done.
      if (work.until <= startedAt) throw problem("DEADLINE_EXCEEDED");
      if (work.fault) throw work.fault;
      const result = await asPartOf(work, () => handler(contextOf(wire, name, entry, work, idempotency)));
      timer.succeeded(startedAt);
      return result;
    } catch (thrown) {
      // A statement that was cancelled because the client left looks like one at its time limit.
      const error = isProblem(work.fault, "REQUEST_ABANDONED") ? work.fault : thrown;
      const { code, data } = answerTo(error, entry, problemBehind);
      if (code === "INTERNAL_ERROR") {
        wire.broker.logger.error(
          { action: name, requestId: wire.requestID, err: error },
          "Unexpected error.",
        );
      }
      timer.failed(startedAt, code);
      throw problem(code, data);
    } finally {
      end(work);
      limit.left();
      // The caller knows its own meta; sending it back would cost a copy per hop.
      if (wire.nodeID !== wire.broker.nodeID) wire.meta = {};
    }
  };
}

function contextOf(
  wire: Wire,
  action: string,
  entry: ActionEntry,
  work: Work,
  idempotency: Idempotency | undefined,
): ActionContext<ActionEntry, Contract> {
  const params = parseMembers(entry.params, wire.params);
  const principal = authorize(wire.meta.principal, entry);
  const once = onceOf(wire, action, entry, principal, work, idempotency);
  return new Given(wire, work, params, principal, once);
}

/** A class because of its getter: in an object made for each call, that would cost as much as all the rest. */
class Given implements ActionContext<ActionEntry, Contract> {
  readonly params: Record<string, unknown>;
  readonly principal: never;
  readonly once: Once;
  readonly call: Call<Contract>;
  readonly problem = problem as (code: never, data?: ProblemData) => Error;
  readonly requestId: string;
  readonly address: string | undefined;
  readonly remainingMs: () => number;
  readonly #work: Work;

  constructor(
    wire: Wire,
    work: Work,
    params: Record<string, unknown>,
    principal: Principal | undefined,
    once: Once,
  ) {
    this.params = params;
    this.principal = principal as never;
    this.once = once;
    this.call = ((action: string, callParams: object) =>
      work.fault
        ? Promise.reject(work.fault)
        : work.whileWanted(wire.call(action, callParams))) as Call<Contract>;
    this.requestId = wire.requestID ?? wire.id;
    this.address = typeof wire.meta.address === "string" ? wire.meta.address : undefined;
    this.remainingMs = () => work.remainingMs;
    this.#work = work;
  }

  get signal(): AbortSignal {
    return this.#work.signal;
  }
}

function onceOf(
  wire: Wire,
  action: string,
  entry: ActionEntry,
  principal: Principal | undefined,
  work: Work,
  idempotency: Idempotency | undefined,
): Once {
  const { idempotency: key } = wire.meta;
  if (key === undefined) return idempotency?.plain ?? withoutMemory;
  // It is this action's alone, and must not go along to others that it calls.
  delete wire.meta.idempotency;
  return onceWithKey(idempotency, key, { action, entry, principal, remainingMs: work.remainingMs });
}

/** The principal, if it may do this: well formed, not expired, and with the entry's scope. */
function authorize(candidate: unknown, entry: ActionEntry): Principal | undefined {
  if (entry.scope === "internal" || entry.scope === "public") return undefined;
  const checked = Principal.safeParse(candidate);
  if (!checked.success) throw problem("UNAUTHENTICATED");
  if ((checked.data.expiresAt + CLOCK_LEEWAY_SECONDS) * 1000 <= Date.now()) throw problem("UNAUTHENTICATED");
  checkScope(checked.data, entry);
  return checked.data;
}

/** By the caller's account. */
function remainingMsOf(wire: Wire): number {
  const { timeout } = wire.options as { timeout?: number | null };
  const startTime = (wire as unknown as { startHrTime: [number, number] | null }).startHrTime;
  if (!timeout || !startTime) return Number.POSITIVE_INFINITY;
  const [seconds, nanoseconds] = process.hrtime(startTime);
  return Math.max(0, timeout - seconds * 1e3 - nanoseconds / 1e6);
}

/** Internals stay in this process: what is no problem that the action may answer with leaves it as INTERNAL_ERROR. */
function answerTo(
  error: unknown,
  entry: ActionEntry,
  problemBehind: Implementation<Contract, Contract>["problemBehind"],
): { code: ProblemCode; data: ProblemData } {
  const known = problemOf(error);
  const { code, data } = known.code === "INTERNAL_ERROR" ? { code: problemBehind?.(error), data: {} } : known;
  if (code === undefined) return { code: "INTERNAL_ERROR", data: {} };
  if (commonProblems.has(code) || entry.problems?.includes(code)) return { code, data };
  return { code: "INTERNAL_ERROR", data: {} };
}
