import { Errors, type Middleware, type ServiceBroker, type ServiceSchema } from "moleculer";
import { requestsLost } from "./metrics.ts";
import { type PendingRequest, type Transit, transitOf } from "./parts.ts";

/** Whose reply has not come between two looks is asked about. */
const LOOK_INTERVAL_MS = 500;
const ANSWER_TIMEOUT_MS = 1_000;
/** About so many at once, those that have waited longest. */
const MAX_ASKED = 1_000;
const SERVICE = "$liveness";
const ASK = `${SERVICE}.unknown`;

/** Which of the requests it is not working on, and who says so. */
interface Answer {
  readonly nodeID: string;
  readonly ids: readonly string[];
}

/**
 * Finds requests that were lost on their way, or whose reply was, while their node is there: its connection was cut, say,
 * and is back. Without it, each would be waited for until its time is up. A node is asked about those that take long;
 * because one sender's packets arrive in the order in which they were sent, what it does not know by then, and has not
 * answered, never came or is lost.
 */
export function overdue(): Middleware {
  let timer: NodeJS.Timeout | undefined;

  return {
    name: "Overdue",
    async starting(broker: ServiceBroker) {
      const transit = transitOf(broker);
      if (!transit) return;
      broker.createService(answering(broker));
      let seen: ReadonlySet<string> = new Set();
      timer = setInterval(() => {
        seen = look(broker, transit, seen);
      }, LOOK_INTERVAL_MS).unref();
    },
    async stopped() {
      clearInterval(timer);
    },
  };
}

/** @returns what is waited for now. */
function look(broker: ServiceBroker, transit: Transit, seen: ReadonlySet<string>): ReadonlySet<string> {
  const waiting = new Set<string>();
  const late = new Map<string, string[]>();
  for (const [id, { action, nodeID }] of transit.pendingRequests) {
    if (action.name === ASK) continue;
    waiting.add(id);
    if (!seen.has(id)) continue;
    const ids = late.get(nodeID);
    if (!ids) late.set(nodeID, [id]);
    else if (ids.length < MAX_ASKED) ids.push(id);
  }
  for (const [nodeID, ids] of late) void ask(broker, transit, nodeID, ids);
  return waiting;
}

async function ask(broker: ServiceBroker, transit: Transit, nodeID: string, ids: string[]): Promise<void> {
  const options = { nodeID, timeout: ANSWER_TIMEOUT_MS };
  const answer = await broker.call<Answer, object>(ASK, { ids }, options).catch(() => undefined);
  // Who is leaving or older does not answer; and one that stood still has others asked in its place.
  if (answer?.nodeID !== nodeID) return;
  for (const id of answer.ids) {
    const request = transit.pendingRequests.get(id);
    if (request?.nodeID !== nodeID) continue;
    transit.pendingRequests.delete(id);
    requestsLost.inc();
    request.reject(lost(request));
  }
}

function lost({ action, nodeID }: PendingRequest): Error {
  return new Errors.RequestRejectedError({ action: action.name, nodeID });
}

function answering(broker: ServiceBroker): ServiceSchema {
  const unknown = ({ params }: { readonly params: { readonly ids?: unknown } }): Answer => {
    const asked = Array.isArray(params.ids) ? params.ids.slice(0, MAX_ASKED) : [];
    const known = underWay(broker);
    return { nodeID: broker.nodeID, ids: asked.filter((id) => !known.has(id)) };
  };
  return { name: SERVICE, actions: { unknown } } as unknown as ServiceSchema;
}

/** Moleculer keeps account of what runs, to wait for it at a stop. */
function underWay(broker: ServiceBroker): ReadonlySet<unknown> {
  const services = broker.services as unknown as readonly Tracking[];
  return new Set(services.flatMap(({ _trackedContexts: contexts = [] }) => contexts.map(({ id }) => id)));
}

interface Tracking {
  readonly _trackedContexts?: readonly { readonly id: string }[];
}
