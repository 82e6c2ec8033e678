import { problemOf } from "../problem.ts";
import type { Outside } from "../service.ts";
import { tracing } from "../tracing.ts";
import type { OutcomeKind } from "./event-metrics.ts";
import { ANYONE, envelopeOf, type OutboxRow } from "./outbox.ts";

/** What became of an attempt to deliver an event. */
export interface Outcome {
  readonly kind: OutcomeKind;
  /** Why, when it was not delivered; nothing of what the event carries. */
  readonly error: string;
}

/** How long a hearer may take to handle an event. */
const ANSWER_TIMEOUT_MS = 5_000;
const MAX_ERROR_LENGTH = 500;

const DELIVERED: Outcome = { kind: "delivered", error: "" };

/** The hearer, or what it needs, is not there: that says nothing about the event. */
const UNREACHABLE = new Set([
  "SERVICE_UNAVAILABLE",
  "DATABASE_UNAVAILABLE",
  "POOL_EXHAUSTED",
  "ISSUER_UNAVAILABLE",
  "OVERLOADED",
]);

/** Calls who hears an event and waits until it was handled; whoever listens is told and not waited for. */
export function deliver(outside: Outside, row: OutboxRow): Promise<Outcome> {
  if (!tracing) return attempt(outside, row);
  const { traceparent, event, event_id, hearer } = row;
  const attributes = {
    "messaging.destination.name": event,
    "messaging.message.id": event_id,
    "messaging.consumer.group.name": hearer,
  };
  return tracing.following(
    { traceparent },
    { name: `tell ${event}`, kind: "producer", attributes },
    async (span) => {
      const outcome = await attempt(outside, row);
      if (outcome.kind !== "delivered") span?.failed(outcome.kind);
      return outcome;
    },
  );
}

async function attempt(outside: Outside, row: OutboxRow): Promise<Outcome> {
  const envelope = envelopeOf(row);
  try {
    if (row.hearer === ANYONE) await outside.emit(row.event, envelope);
    else await outside.call(row.hearer as `${string}.${string}`, envelope, ANSWER_TIMEOUT_MS);
    return DELIVERED;
  } catch (error) {
    return { kind: kindOf(error), error: textOf(error).slice(0, MAX_ERROR_LENGTH) };
  }
}

function kindOf(error: unknown): OutcomeKind {
  const { code } = problemOf(error);
  // The hearer was called and went away with the call, maybe because of it; or it did not come to an end.
  if ((error as { type?: unknown } | undefined)?.type === "REQUEST_REJECTED") return "silent";
  if (code === "DEADLINE_EXCEEDED") return "silent";
  return UNREACHABLE.has(code) ? "unreachable" : "failed";
}

function textOf(error: unknown): string {
  const { type, message } = (error ?? {}) as { type?: unknown; message?: unknown };
  return [type, message].filter((part) => typeof part === "string").join(": ");
}
