import { z } from "zod";
import { tracedFetch } from "../common/tracing/traced-fetch.ts";
import { tracing } from "../common/tracing.ts";
import { isSecureUrl } from "./secure-url.ts";
import { type JsonObject, parseJsonObject } from "./strict-json.ts";

/** For one answer of the issuer, to its last byte. */
const FETCH_TIMEOUT_MS = 5_000;
const MAX_BODY_BYTES = 256 * 1024;
/** What discovery told is asked again after this. */
const METADATA_LIFE_MS = 600_000;
/** `application/json`, `application/jwk-set+json` and the like. */
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json(?:\s*;|$)/i;

const Metadata = z.object({ issuer: z.string(), jwks_uri: z.url().max(2_000) });

export interface KeyFetchOptions {
  readonly issuer: string;
  /** Where the keys may be beside the issuer's own origin: other origins, as `https://keys.example`. */
  readonly keyOrigins: readonly string[];
  /** In milliseconds since 1970. */
  readonly now: () => number;
}

export interface FetchedKeys {
  /** The JWK Set, not yet checked. */
  readonly document: JsonObject;
  /** When it was as it is by the issuer's own clock, which tokens' times are of too; undefined if it does not say. */
  readonly statedAtMs: number | undefined;
}

/** Fetches an issuer's key set. @throws with a message that says what is wrong with the answer. */
export type KeyFetch = (signal: AbortSignal) => Promise<FetchedKeys>;

/**
 * Makes the fetch of an issuer's key set, which it finds by OpenID Connect Discovery. Requests go to the issuer's origin
 * and to those that are configured, nowhere else: no redirect is followed.
 */
export function keyFetch({ issuer, keyOrigins, now }: KeyFetchOptions): KeyFetch {
  const origins = new Set([issuer, ...keyOrigins].map((url) => new URL(url).origin));
  // OpenID Connect Discovery §4.1: the well-known path follows the issuer's own path.
  const discoveryUrl = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  let found: { readonly keysUrl: string; readonly foundAtMs: number } | undefined;

  async function discover(signal: AbortSignal): Promise<string> {
    const { document } = await fetchJson(discoveryUrl, signal);
    const metadata = Metadata.safeParse(document);
    if (!metadata.success) throw new Error(`${discoveryUrl} names no issuer and jwks_uri.`);
    if (metadata.data.issuer !== issuer) throw new Error(`${discoveryUrl} is of another issuer.`);
    const keysUrl = new URL(metadata.data.jwks_uri);
    const isAllowed = origins.has(keysUrl.origin) && isSecureUrl(keysUrl);
    if (!isAllowed || keysUrl.username || keysUrl.password) {
      throw new Error(`${discoveryUrl} sends for keys to ${keysUrl.origin}, which is not allowed.`);
    }
    return keysUrl.href;
  }

  return async (signal) => {
    if (!found || Math.abs(now() - found.foundAtMs) >= METADATA_LIFE_MS) {
      found = { keysUrl: await discover(signal), foundAtMs: now() };
    }
    return await fetchJson(found.keysUrl, signal);
  };
}

async function fetchJson(url: string, signal: AbortSignal): Promise<FetchedKeys> {
  const response = await tracedFetch(new URL(url), "GET", () =>
    fetch(url, {
      redirect: "manual",
      headers: headersNow(),
      signal: AbortSignal.any([signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)]),
    }),
  ).catch(noAnswer(url));
  try {
    if (response.status !== 200) throw new Error(`${url} answered with status ${response.status}.`);
    if (!JSON_TYPE.test(response.headers.get("content-type") ?? ""))
      throw new Error(`${url} answered no JSON.`);
    const body = await readBody(response).catch(noAnswer(url));
    if (body.length > MAX_BODY_BYTES) throw new Error(`${url} answered more than ${MAX_BODY_BYTES} bytes.`);
    const statedAtMs = Date.parse(response.headers.get("date") ?? "");
    return {
      document: parseAnswer(body, url),
      statedAtMs: Number.isNaN(statedAtMs) ? undefined : statedAtMs,
    };
  } finally {
    // What is left of the body is not read.
    if (!response.bodyUsed) await response.body?.cancel();
  }
}

/** The issuer may go on with the trace: it knows already whose tokens it issues. */
function headersNow(): Record<string, string> {
  const carried = tracing?.carried();
  return {
    accept: "application/json",
    // A compressed body could grow without limit between two chunks.
    "accept-encoding": "identity",
    ...(carried && { traceparent: carried.traceparent }),
  };
}

/** The body, or as much of it as is too much; leaving the loop closes the connection. */
async function readBody(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_BODY_BYTES) break;
  }
  return Buffer.concat(chunks);
}

function parseAnswer(body: Uint8Array, url: string): JsonObject {
  try {
    return parseJsonObject(body);
  } catch (cause) {
    throw new Error(`${url} answered something else than one JSON object.`, { cause });
  }
}

function noAnswer(url: string) {
  return (cause: unknown): never => {
    throw new Error(`${url} did not answer.`, { cause });
  };
}
