import { abandon, Work, type WorkLimits } from "./deadline.ts";

/** How a request is known on its way: in the meta of every call that is made for it. */
export interface Ticket {
  /** The gateway's own: a client chooses the request id, and may choose another's. */
  readonly id: string;
  /** When its time is up, in milliseconds since 1970: so that what was long on its way is seen to be late. */
  readonly until: number;
}

/** The gateway's event by which all are told of requests that nobody waits for any more. */
export const REQUESTS_ABANDONED = "gateway.requests_abandoned";
/** So many are told of with one event, at most. */
export const MAX_ABANDONED_AT_ONCE = 1_000;

/** The clocks of two machines may differ so much; only what is later than that is late. */
const CLOCK_LEEWAY_MS = 1_000;
const MAX_ID_LENGTH = 200;

/**
 * The work that a call is.
 * @param remainingMs by the caller's account, when it arrived.
 * @param ticket as it came with the call; whatever is no ticket counts as none.
 * @param about what else is known of it.
 */
export function workOf(
  remainingMs: number,
  ticket: unknown,
  about: Pick<WorkLimits, "outlivesStall" | "loggedAs"> = {},
): Work {
  const now = performance.now();
  if (!isTicket(ticket)) return new Work({ until: now + remainingMs, ...about });
  const lateness = Date.now() - ticket.until - CLOCK_LEEWAY_MS;
  return new Work({ until: now + Math.min(remainingMs, -lateness), requestId: ticket.id, ...about });
}

/** Each service hears of requests that were abandoned. */
export const abandonmentEvents = {
  [REQUESTS_ABANDONED]: ({ params }: { readonly params: unknown }): void => {
    const { ids } = (params ?? {}) as { readonly ids?: unknown };
    if (Array.isArray(ids)) abandon(new Set(ids.slice(0, MAX_ABANDONED_AT_ONCE).filter(isTicketId)));
  },
};

function isTicket(candidate: unknown): candidate is Ticket {
  if (typeof candidate !== "object" || candidate === null) return false;
  const { id, until } = candidate as Record<string, unknown>;
  return isTicketId(id) && typeof until === "number" && Number.isFinite(until);
}

function isTicketId(candidate: unknown): candidate is string {
  return typeof candidate === "string" && candidate.length <= MAX_ID_LENGTH;
}
