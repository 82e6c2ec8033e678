import { setTimeout as pause } from "node:timers/promises";
import { OutgoingError, type OutgoingErrorKind } from "../../common/outgoing/outgoing-error.ts";
import { parseExact } from "../../common/parse-exact.ts";
import { ProviderError } from "./provider.ts";

/** As the global one; every outgoing request goes through one that knows which hosts are allowed. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** How a provider is asked. */
export interface Asking {
  readonly fetch: Fetch;
  /** As people call it. */
  readonly provider: string;
  /** Its keys are in here. */
  readonly headers: Readonly<Record<string, string>>;
  /** For one attempt, the reading of the reply included. */
  readonly timeoutMs?: number;
  /** The longest pause before the second attempt; twice that before the third. */
  readonly pauseMs?: number;
}

/** So many attempts are made in all. */
const MAX_ATTEMPTS = 3;
const TIMEOUT_MS = 15_000;
const PAUSE_MS = 1_000;
/** Who is told to wait for longer gives up: the next fetch comes anyway. */
const MAX_RETRY_AFTER_MS = 20_000;
/** Some 30,000 coins. */
const MAX_REPLY_BYTES = 32 * 1024 * 1024;

const LASTING: ReadonlySet<OutgoingErrorKind> = new Set(["not_allowed", "private_address", "too_large"]);

/**
 * The JSON at a URL, each number as its digits. Asked again, after a pause of random length or as long as the provider
 * says, when another answer may come of it.
 * @throws {ProviderError} after the last attempt, or when the signal is aborted.
 */
export async function askProvider(asking: Asking, url: string, signal: AbortSignal): Promise<unknown> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask(asking, url, signal);
    } catch (thrown) {
      const error = thrown as ProviderError;
      const pauseMs = pauseBefore(attempt + 1, error, asking.pauseMs ?? PAUSE_MS);
      if (pauseMs === undefined || signal.aborted) throw error;
      await pause(pauseMs, undefined, { signal }).catch(() => Promise.reject(error));
    }
  }
}

/** Undefined when there is no point in another attempt. */
function pauseBefore(attempt: number, error: ProviderError, pauseMs: number): number | undefined {
  if (attempt > MAX_ATTEMPTS || error.fault === "refused") return undefined;
  const jitter = Math.random() * pauseMs * 2 ** (attempt - 2);
  const { retryAfterMs = 0 } = error;
  return retryAfterMs > MAX_RETRY_AFTER_MS ? undefined : retryAfterMs + jitter;
}

async function ask(
  { fetch, provider, headers, timeoutMs = TIMEOUT_MS }: Asking,
  url: string,
  signal: AbortSignal,
) {
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    const init = { headers: { Accept: "application/json", ...headers }, redirect: "manual" } as const;
    const response = await fetch(url, { ...init, signal: AbortSignal.any([signal, limit]) });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw refusalOf(provider, response);
    }
    const text = await textOf(provider, response);
    return parseExact(text);
  } catch (error) {
    if (error instanceof ProviderError) throw error;
    if (limit.aborted)
      throw new ProviderError("timed_out", `${provider} did not answer within ${timeoutMs} ms`);
    if (signal.aborted)
      throw new ProviderError("timed_out", `${provider} did not answer in the time there was`);
    if (error instanceof SyntaxError) {
      throw new ProviderError(
        "unexpected_answer",
        `${provider} answered with something that is no whole JSON`,
      );
    }
    if (error instanceof OutgoingError) {
      // What will be the same the next time is not asked again.
      const fault = LASTING.has(error.kind) ? "refused" : "unavailable";
      throw new ProviderError(fault, `${provider} cannot be read: ${error.message}`);
    }
    throw new ProviderError("unavailable", `${provider} could not be reached (${reasonOf(error)})`);
  }
}

function refusalOf(provider: string, { status, headers }: Response): ProviderError {
  if (status === 429) {
    const seconds = Number(headers.get("retry-after") ?? "");
    const waits = Number.isFinite(seconds) && seconds > 0;
    const told = waits ? ` and asks to wait for ${seconds} s` : "";
    return new ProviderError(
      "rate_limited",
      `${provider} takes no more requests now${told}`,
      waits ? seconds * 1000 : undefined,
    );
  }
  if (status === 401 || status === 403) {
    return new ProviderError("refused", `${provider} refuses the request with ${status}: check its API key`);
  }
  const fault = status >= 500 || status === 408 ? "unavailable" : "refused";
  return new ProviderError(fault, `${provider} answered ${status}`);
}

async function textOf(provider: string, response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the rest.
    if (bytes > MAX_REPLY_BYTES) {
      throw new ProviderError("refused", `${provider} answered with more than ${MAX_REPLY_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** `fetch` says no more than "fetch failed"; what it failed at is behind it. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  const { code, message: detail } = (cause ?? {}) as { code?: string; message?: string };
  return code ?? detail ?? message;
}
