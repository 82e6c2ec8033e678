import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from "jose";
import { z } from "zod";
import { problem } from "../common/problem.ts";

const FETCH_TIMEOUT_MS = 5_000;
/** An issuer that failed, or that knows no such key, is asked again after this. */
const COOLDOWN_MS = 10_000;
/** Keys are asked for again after this, so a key that the issuer removed stops working. */
const KEYS_MAX_AGE_MS = 600_000;

const Metadata = z.object({ issuer: z.string(), jwks_uri: z.url() });

/**
 * The keys of an issuer, found by OpenID Connect Discovery when they are first needed.
 * The returned function throws ISSUER_UNAVAILABLE while the issuer cannot be reached and no keys are known.
 */
export function issuerKeys(issuer: string): () => Promise<JWTVerifyGetKey> {
  let keys: Promise<JWTVerifyGetKey> | undefined;
  return () => {
    keys ??= discover(issuer).catch((cause) => {
      setTimeout(() => {
        keys = undefined;
      }, COOLDOWN_MS).unref();
      throw Object.assign(problem("ISSUER_UNAVAILABLE"), { cause });
    });
    return keys;
  };
}

async function discover(issuer: string): Promise<JWTVerifyGetKey> {
  // RFC 8414 and OpenID Connect Discovery: the well-known path follows the issuer's own path.
  const response = await fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, {
    redirect: "error",
    headers: { accept: "application/json" },
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  });
  if (!response.ok) throw new Error(`The issuer ${issuer} answered its discovery with ${response.status}.`);
  const metadata = Metadata.parse(await response.json());
  if (metadata.issuer !== issuer) throw new Error(`The issuer ${issuer} calls itself ${metadata.issuer}.`);
  return createRemoteJWKSet(new URL(metadata.jwks_uri), {
    timeoutDuration: FETCH_TIMEOUT_MS,
    cooldownDuration: COOLDOWN_MS,
    cacheMaxAge: KEYS_MAX_AGE_MS,
    [customFetch]: (url, options) => fetch(url, { ...options, redirect: "error" }),
  });
}
