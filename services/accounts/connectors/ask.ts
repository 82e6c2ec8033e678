import type { Outgoing, OutgoingFetch } from "../../common/outgoing/outgoing.ts";
import { OutgoingError, type OutgoingErrorKind } from "../../common/outgoing/outgoing-error.ts";
import { ConnectorError, type ConnectorErrorKind } from "./connector.ts";

const MAX_RETRY_AFTER_SECONDS = 3_600;

const failures: Readonly<Record<OutgoingErrorKind, readonly [ConnectorErrorKind, string]>> = {
  not_allowed: [
    "unavailable",
    "is at a host that this service may not ask; an administrator can allow it (OUTGOING_HOSTS).",
  ],
  private_address: [
    "unavailable",
    "is at a private address, which this service does not ask; an administrator has to look at it.",
  ],
  unreachable: ["unavailable", "cannot be reached just now."],
  timed_out: ["timed_out", "did not answer in time."],
  too_large: ["unexpected_answer", "answered with more than this service reads."],
  malformed: ["unexpected_answer", "answered with something that is no HTTP."],
  busy: ["unavailable", "was not asked: this service has too many requests under way."],
};

/**
 * The way out to one provider: it says what went wrong in the words of connectors, for what no provider means as an
 * answer: no reply, a redirect, too many requests, a server's fault. Other replies are for whoever asks to read.
 * @param provider as people call it; it begins the messages.
 * @throws ConnectorError, or the signal's reason.
 */
export function asking({ fetch }: Outgoing, provider: string, signal: AbortSignal): OutgoingFetch {
  return async (input, init) => {
    const signals = init?.signal ? AbortSignal.any([init.signal, signal]) : signal;
    let response: Response;
    try {
      response = await fetch(input, { ...init, signal: signals });
    } catch (error) {
      if (!(error instanceof OutgoingError)) throw error;
      const [kind, what] = failures[error.kind];
      throw new ConnectorError(kind, `${provider} ${what}`);
    }
    refuse(provider, response);
    return response;
  };
}

/** That a provider's answer cannot be read. */
export function unexpected(provider: string): ConnectorError {
  return new ConnectorError(
    "unexpected_answer",
    `${provider} answered with something that cannot be understood.`,
  );
}

/** That a provider wants fewer requests. */
export function rateLimited(provider: string, retryAfterSeconds?: number): ConnectorError {
  const message = `${provider} takes no more requests just now; it will be asked again later.`;
  return new ConnectorError("rate_limited", message, retryAfterSeconds);
}

/** The connector's error behind one that a library has wrapped; undefined when there is none. */
export function connectorErrorBehind(error: unknown): ConnectorError | undefined {
  let cause: unknown = error;
  for (let depth = 0; depth < 10 && cause instanceof Error; depth += 1) {
    if (cause instanceof ConnectorError) return cause;
    cause = cause.cause;
  }
  return undefined;
}

function refuse(provider: string, { status, headers }: Response): void {
  const retryAfterSeconds = retryAfterOf(headers.get("retry-after"));
  // 418 is how Binance answers whoever went on after 429.
  if (status === 429 || status === 418) throw rateLimited(provider, retryAfterSeconds);
  if (status === 408 || status >= 500) {
    const message = `${provider} has a problem of its own just now (HTTP ${status}).`;
    throw new ConnectorError("unavailable", message, retryAfterSeconds);
  }
  if (status >= 300 && status < 400) {
    const message = `${provider} answered with a redirect (HTTP ${status}), which is not followed.`;
    throw new ConnectorError("unexpected_answer", message);
  }
}

/** RFC 9110, section 10.2.3: seconds, or a date. */
function retryAfterOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : Math.ceil((Date.parse(header) - Date.now()) / 1000);
  return seconds > 0 ? Math.min(seconds, MAX_RETRY_AFTER_SECONDS) : undefined;
}
