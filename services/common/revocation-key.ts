import { createHash } from "node:crypto";

/** What can be revoked: a session (issuer, `sid`), a token (issuer, `jti` or our id), an identity (issuer, subject). */
export type RevocationKind = "session" | "token" | "identity";

/** What a token is known by, as far as revoking goes. Hashes: they travel and are stored without telling whose they are. */
export interface RevocationKeys {
  readonly session?: string;
  readonly token?: string;
  readonly identity: string;
}

/**
 * In a statement: from when at least a token's check must be, so that its user cannot have been deleted since. Erasing waits
 * for two seconds between revoking the tokens and deleting the first thing.
 */
export const soonAfterCheck = "statement_timestamp() - interval '1.5 seconds'";

/** 128 bits: enough to tell every session from every other. */
const KEY_LENGTH = 22;

/** The key of what an issuer calls by this name. */
export function revocationKey(issuer: string, name: string): string {
  return createHash("sha256")
    .update(JSON.stringify([issuer, name]))
    .digest("base64url")
    .slice(0, KEY_LENGTH);
}

/** The keys of a token, from what is known of it. */
export function revocationKeys(known: {
  readonly issuer: string;
  readonly subject: string;
  readonly sessionId?: string | undefined;
  readonly tokenId?: string | undefined;
}): RevocationKeys {
  const { issuer, subject, sessionId, tokenId } = known;
  return {
    ...(sessionId !== undefined && { session: revocationKey(issuer, sessionId) }),
    ...(tokenId !== undefined && { token: revocationKey(issuer, tokenId) }),
    identity: revocationKey(issuer, subject),
  };
}
