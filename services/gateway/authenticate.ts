import { LRUCache } from "lru-cache";
import { COMPACT_JWS, MAX_TOKEN_LENGTH, PERSONAL_ACCESS_TOKEN } from "../auth/contract.ts";
import { CLOCK_LEEWAY_SECONDS, type Principal } from "../common/principal.ts";
import { isProblem, problem } from "../common/problem.ts";
import { type RevocationKeys, revocationKeys } from "../common/revocation-key.ts";
import { questionBudget } from "./question-budget.ts";
import type { RevocationList } from "./revocation-list.ts";

const MAX_CACHED_PRINCIPALS = 20_000;
/** RFC 6750: the scheme's name in any case, one space. */
const BEARER = /^bearer /i;

/** A token that was good; kept until it ends, so that it need not queue with those that nobody has seen. */
interface Remembered {
  readonly principal: Principal;
  readonly keys: RevocationKeys;
  /** From then on, auth is asked again. */
  readonly trustedUntilMs: number;
}

/** The request that a token came with, for logs and the audit trail. */
export interface AskingRequest {
  readonly requestId: string;
  readonly address: string | undefined;
}

export interface AuthenticateOptions {
  readonly cacheSeconds: number;
  /** Asks `auth` whose token it is. */
  readonly ask: (token: string, request: AskingRequest) => Promise<Principal>;
  /** What is revoked; while it is not fresh, nothing that is remembered is believed. */
  readonly revocations: Pick<RevocationList, "isFresh" | "covers">;
}

/**
 * Makes the gateway's check of the Authorization header. A verified token's principal is believed for a short while, at
 * most until the token ends; requests that bring the same token at once share one question. The cache's key is the very
 * text that was verified, so another spelling of a token is another token. Where too many questions have failed, tokens
 * that nobody has seen before wait for their turn; those that were good before pass all the same, and those that say
 * themselves that they have ended are refused as ever, so that their clients renew them.
 * @throws UNAUTHENTICATED, the same for every bad or missing token; ISSUER_UNAVAILABLE, SERVICE_UNAVAILABLE.
 */
export function authenticator({ cacheSeconds, ask, revocations }: AuthenticateOptions) {
  // By the wall clock, because that is what tokens end by.
  const principals = new LRUCache<string, Remembered>({ max: MAX_CACHED_PRINCIPALS, perf: Date });
  const questions = new Map<string, Promise<Principal>>();
  const budget = questionBudget();

  async function verify(token: string, request: AskingRequest): Promise<Principal> {
    const principal = await ask(token, request).catch((error: unknown) => {
      budget.failed(request.address);
      if (isProblem(error, "UNAUTHENTICATED")) principals.delete(token);
      throw error;
    });
    const now = Date.now();
    const remainingMs = principal.expiresAt * 1000 - now;
    if (remainingMs > 0) {
      const trustedUntilMs = now + Math.min(cacheSeconds * 1000, remainingMs);
      const remembered = { principal, keys: revocationKeys(principal), trustedUntilMs };
      principals.set(token, remembered, { ttl: remainingMs });
    }
    return principal;
  }

  function askOnce(token: string, request: AskingRequest): Promise<Principal> {
    const asked = questions.get(token);
    if (asked) return asked;
    const question = verify(token, request).finally(() => questions.delete(token));
    questions.set(token, question);
    return question;
  }

  return {
    /** Who makes a request with this Authorization header. */
    authenticate(header: string | undefined, request: AskingRequest): Principal | Promise<Principal> {
      if (header === undefined || !BEARER.test(header)) throw problem("UNAUTHENTICATED");
      const token = header.slice("bearer ".length);
      const known = principals.get(token);
      if (known && revocations.isFresh && Date.now() < known.trustedUntilMs) {
        if (!revocations.covers(known.keys, known.principal.issuedAt)) return known.principal;
        principals.delete(token);
        throw problem("UNAUTHENTICATED");
      }
      if (!isToken(token)) throw problem("UNAUTHENTICATED");
      if (known || budget.allows(request.address)) return askOnce(token, request);
      // Needs no proof, and a client whose token has ended must learn it soon, to get another.
      if (hasEnded(token)) throw problem("UNAUTHENTICATED");
      return budget.turn(request.address).then(() => askOnce(token, request));
    },
  };
}

/** Whether it has a token's form; nothing else is worth asking about. */
function isToken(text: string): boolean {
  return text.length <= MAX_TOKEN_LENGTH && (PERSONAL_ACCESS_TOKEN.test(text) || COMPACT_JWS.test(text));
}

/** Whether a signed token is over by its own account, which needs no proof; false for what cannot be read. */
function hasEnded(token: string): boolean {
  try {
    const { exp } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    return typeof exp === "number" && (exp + CLOCK_LEEWAY_SECONDS) * 1000 <= Date.now();
  } catch {
    return false;
  }
}
