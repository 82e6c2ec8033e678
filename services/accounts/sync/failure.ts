import type { Log } from "../../common/service.ts";
import { ConnectorError } from "../connectors/connector.ts";
import { TimedOut } from "./hold.ts";

/** Why an attempt to read an account failed, by whose doing. */
export type FailureKind = ConnectorError["kind"] | "missing_credentials" | "not_supported" | "internal";

/** A failed attempt. */
export interface Failure {
  readonly kind: FailureKind;
  /** One sentence for the user, without credentials, addresses of nodes, or what a provider wrote. */
  readonly message: string;
  /** What the provider asked for. */
  readonly retryAfterSeconds?: number | undefined;
}

/** An attempt that this service itself lets fail. */
export class SyncError extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** These may go better in a moment; the others only after the user, or we, have changed something. */
const PASSING: ReadonlySet<FailureKind> = new Set<FailureKind>([
  "unavailable",
  "timed_out",
  "rate_limited",
  "incomplete",
]);

export function isPassing({ kind }: Failure): boolean {
  return PASSING.has(kind);
}

const MAX_MESSAGE_LENGTH = 300;

/** The failure behind what was thrown while an account was read. */
export function failureBehind(error: unknown, provider: string, log: Log): Failure {
  if (error instanceof SyncError) return error.failure;
  if (error instanceof TimedOut) {
    return {
      kind: "timed_out",
      message: `Reading ${provider} took too long; what it last answered is still shown.`,
    };
  }
  if (error instanceof ConnectorError) {
    const { kind, message, retryAfterSeconds } = error;
    return { kind, message: message.slice(0, MAX_MESSAGE_LENGTH), retryAfterSeconds };
  }
  // The text of an error that nobody has foreseen may hold anything: a key, an address with a key.
  const name = error instanceof Error ? error.name : typeof error;
  log.error({ provider, error: name, at: placeOf(error) }, "An account could not be read, unexpectedly.");
  return {
    kind: "internal",
    message: `Reading ${provider} failed for a reason on our side; what it last answered is still shown.`,
  };
}

/** Where it was thrown: the first line of the stack that names one of our own files, without the message. */
function placeOf(error: unknown): string | undefined {
  const lines = error instanceof Error ? (error.stack ?? "").split("\n") : [];
  return lines.find((line) => /^\s+at .*services\//.test(line))?.trim();
}
