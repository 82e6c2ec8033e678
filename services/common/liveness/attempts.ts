import { setTimeout as delay } from "node:timers/promises";
import type { Errors, Middleware, ServiceBroker } from "moleculer";
import { TOO_MANY_CALLS } from "../call-limit.ts";
import { presentWork } from "../deadline.ts";
import { Breaker } from "./breaker.ts";
import { RepeatBudget } from "./budget.ts";
import { callsRepeated, repeatsDenied } from "./metrics.ts";
import { type ActionEndpoint, registryOf, type Transporter, transitOf } from "./parts.ts";
import { disconnected, NOT_EXECUTED } from "./undelivered.ts";

/** One more try where it is not known whether the first was executed; up to so many where it certainly was not. */
const MAX_ATTEMPTS = 5;
/** Before each further attempt, a random part of this, which doubles: the calls of a lost node all fail at once. */
const FIRST_PAUSE_MS = 20;
/** Less time than this says nothing about who did not keep to it. */
const MIN_TELLING_TIMEOUT_MS = 500;

/** A call of another process's action, on its way. */
interface Call {
  id: string;
  readonly action: { readonly name: string; readonly repeatable?: boolean };
  readonly endpoint: ActionEndpoint;
  options: { readonly timeout?: number | null };
  startHrTime: [number, number] | null;
  setEndpoint(endpoint: ActionEndpoint): void;
}
type Send = (call: Call) => Promise<unknown>;

/**
 * How actions of other processes are called: once more, on another replica, when the first was certainly not executed,
 * or when its replica was lost and the action may be repeated (reads: their contract says so); within a budget. And not
 * at all, for a while, where calls time out.
 */
export function attempts(): Middleware {
  const budgets = new Map<string, RepeatBudget>();
  const breakers = new Map<ActionEndpoint, Breaker>();

  return {
    name: "Attempts",
    created(broker: ServiceBroker) {
      broker.localBus.on("$node.disconnected", ({ node }: { node: { id: string } }) => {
        for (const [endpoint, breaker] of breakers) {
          if (endpoint.id !== node.id) continue;
          breaker.forget();
          breakers.delete(endpoint);
        }
      });
    },
    remoteAction(next, { name }) {
      const [service = ""] = (name as string).split(".");
      const budget = budgets.get(service) ?? new RepeatBudget();
      budgets.set(service, budget);
      const calling = new Calling(this, next as unknown as Send, budget, breakers);
      return ((call: Call) => calling.begin(call)) as never;
    },
  };
}

/** The calls of one action. */
class Calling {
  readonly #broker: ServiceBroker;
  readonly #tx: Transporter | undefined;
  readonly #send: Send;
  readonly #budget: RepeatBudget;
  readonly #breakers: Map<ActionEndpoint, Breaker>;

  constructor(
    broker: ServiceBroker,
    send: Send,
    budget: RepeatBudget,
    breakers: Map<ActionEndpoint, Breaker>,
  ) {
    this.#broker = broker;
    this.#tx = transitOf(broker)?.tx;
    this.#send = send;
    this.#budget = budget;
    this.#breakers = breakers;
  }

  begin(call: Call): Promise<unknown> {
    // Moleculer would find out later, and write a line about each.
    if (!this.#tx?.connected) return Promise.reject(disconnected());
    this.#budget.called();
    // Nearly always there is no breaker, and nothing else is done on the way.
    if (this.#breakers.size > 0) return this.#attempt(call, 1);
    return this.#send(call).catch((error) => this.#failed(call, error, 1));
  }

  async #attempt(call: Call, attempt: number): Promise<unknown> {
    this.#breakers.get(call.endpoint)?.called();
    try {
      const result = await this.#send(call);
      this.#answered(call.endpoint);
      return result;
    } catch (error) {
      return this.#failed(call, error as Errors.MoleculerError, attempt);
    }
  }

  async #failed(call: Call, error: Errors.MoleculerError, attempt: number): Promise<unknown> {
    this.#note(call, error);
    const reason = reasonToRepeat(call, error, attempt);
    // When the connection itself is gone, there is no other way.
    if (!reason || !this.#tx?.connected) throw error;
    if (!this.#budget.take()) {
      repeatsDenied.inc();
      throw error;
    }
    await delay(Math.random() * FIRST_PAUSE_MS * 2 ** (attempt - 1));
    // Meanwhile the work that it is for may have been given up.
    if (presentWork()?.fault) throw error;
    const remainingMs = remainingMsOf(call);
    const endpoint = this.#another(call);
    if (!endpoint || remainingMs <= 1) throw error;
    callsRepeated.labels(reason).inc();
    // A late reply to the first is nobody's.
    call.id = this.#broker.generateUid();
    call.setEndpoint(endpoint);
    if (call.options.timeout) {
      call.options = { ...call.options, timeout: remainingMs };
      call.startHrTime = process.hrtime();
    }
    return this.#attempt(call, attempt + 1);
  }

  #answered(endpoint: ActionEndpoint): void {
    if (this.#breakers.get(endpoint)?.answered()) this.#breakers.delete(endpoint);
  }

  #note({ endpoint, options, action }: Call, { type }: Errors.MoleculerError): void {
    // That a client has left says nothing about who worked for it.
    if (type === "REQUEST_ABANDONED") return;
    const timedOut = type === "REQUEST_TIMEOUT" || type === "DEADLINE_EXCEEDED";
    if (!timedOut) {
      // Any other problem is an answer.
      if (type !== "REQUEST_REJECTED" && type !== NOT_EXECUTED && type !== TOO_MANY_CALLS)
        this.#answered(endpoint);
      return;
    }
    if ((options.timeout ?? 0) < MIN_TELLING_TIMEOUT_MS) return;
    // One that is gone already is not watched.
    if (!registryOf(this.#broker).actions.get(action.name)?.endpoints.includes(endpoint)) return;
    const breaker = this.#breakers.get(endpoint) ?? new Breaker(endpoint);
    this.#breakers.set(endpoint, breaker);
    breaker.timedOut();
  }

  /** Another replica of the same service; the same one where there is no other and it is still there. */
  #another({ action, endpoint }: Call): ActionEndpoint | undefined {
    const list = registryOf(this.#broker).actions.get(action.name);
    const available = list?.endpoints.filter(({ local, isAvailable }) => !local && isAvailable) ?? [];
    const others = available.filter(({ id }) => id !== endpoint.id);
    const choice = others.length > 0 ? others : available;
    return choice.length > 0 ? list?.select(choice, undefined) : undefined;
  }
}

function reasonToRepeat(
  { action }: Call,
  { type }: Errors.MoleculerError,
  attempt: number,
): "not executed" | "lost" | undefined {
  if (attempt >= MAX_ATTEMPTS) return undefined;
  if (type === NOT_EXECUTED || type === TOO_MANY_CALLS) return "not executed";
  return type === "REQUEST_REJECTED" && action.repeatable && attempt === 1 ? "lost" : undefined;
}

function remainingMsOf({ options: { timeout }, startHrTime }: Call): number {
  if (!timeout || !startHrTime) return Number.POSITIVE_INFINITY;
  const [seconds, nanoseconds] = process.hrtime(startHrTime);
  return timeout - seconds * 1e3 - nanoseconds / 1e6;
}
