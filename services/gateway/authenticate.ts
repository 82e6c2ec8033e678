import { LRUCache } from "lru-cache";
import { COMPACT_JWS, MAX_TOKEN_LENGTH } from "../auth/contract.ts";
import type { Principal } from "../common/principal.ts";
import { problem } from "../common/problem.ts";

const MAX_CACHED_PRINCIPALS = 20_000;
/** RFC 6750: the scheme's name in any case, one space. */
const BEARER = /^bearer /i;

export interface AuthenticateOptions {
  readonly cacheSeconds: number;
  /** Asks `auth` whose token it is. */
  readonly ask: (token: string, requestId: string) => Promise<Principal>;
}

/**
 * Makes the gateway's check of the Authorization header. A verified token's principal is kept for a short while, at
 * most until the token ends; requests that bring the same unknown token at once share one question. The cache's key is
 * the very text that was verified, so another spelling of a token is another token.
 * @throws UNAUTHENTICATED, the same for every bad or missing token; ISSUER_UNAVAILABLE, SERVICE_UNAVAILABLE.
 */
export function authenticator({ cacheSeconds, ask }: AuthenticateOptions) {
  const principals = new LRUCache<string, Principal>({ max: MAX_CACHED_PRINCIPALS });
  const questions = new Map<string, Promise<Principal>>();

  async function verify(token: string, requestId: string): Promise<Principal> {
    const principal = await ask(token, requestId);
    const remainingMs = Math.min(cacheSeconds * 1000, principal.expiresAt * 1000 - Date.now());
    if (remainingMs > 0) principals.set(token, principal, { ttl: remainingMs });
    return principal;
  }

  function askOnce(token: string, requestId: string): Promise<Principal> {
    const asked = questions.get(token);
    if (asked) return asked;
    const question = verify(token, requestId).finally(() => questions.delete(token));
    questions.set(token, question);
    return question;
  }

  return {
    /** Who makes a request with this Authorization header. */
    authenticate(header: string | undefined, requestId: string): Principal | Promise<Principal> {
      if (header === undefined || !BEARER.test(header)) throw problem("UNAUTHENTICATED");
      const token = header.slice("bearer ".length);
      const principal = principals.get(token);
      if (principal) return principal;
      if (token.length > MAX_TOKEN_LENGTH || !COMPACT_JWS.test(token)) throw problem("UNAUTHENTICATED");
      return askOnce(token, requestId);
    },
  };
}
