import { storing } from "../common/events/outbox.ts";
import type { Principal } from "../common/principal.ts";
import { problem } from "../common/problem.ts";
import { type RevocationKind, revocationKey, revocationKeys } from "../common/revocation-key.ts";
import type { Log } from "../common/service.ts";
import { TokenRefused } from "./compact-jws.ts";
import type { LogoutToken } from "./logout-token.ts";
import { type NewRevocation, type RevocationStore, revoke, toldOf } from "./revocations.ts";

export interface SignOutOptions {
  readonly events: RevocationStore["events"];
  readonly verify: (token: string) => Promise<LogoutToken>;
  /** No token outlives this, so no revocation needs to. */
  readonly maxTokenLifetimeSeconds: number;
  readonly log: Log;
}

type Writes = RevocationStore["db"];

/** Beyond a token's end: clocks may differ, and gateways remember principals for a while. */
const MARGIN_SECONDS = 3_700;

// One statement: a logout token that was taken has taken effect, and one that failed may come again.
const TAKE_ONCE = `
  with taken as (
    insert into auth.logout_tokens (key, expires_at) values ($1, $2)
    on conflict (key) do update set expires_at = excluded.expires_at where logout_tokens.expires_at < now()
    returning key
  ), revoked as (
    insert into auth.revocations as r (kind, key, expires_at) select $3, $4, $5 from taken
    on conflict (kind, key) do update
      set revoked_at = now(), expires_at = greatest(r.expires_at, excluded.expires_at)
    returning key as id
  ), told as (${storing("auth", 6, "revoked")})
  select key from taken`;

/** The ways in which sessions and tokens end before their time. */
export function signOut({ events, verify, maxTokenLifetimeSeconds, log }: SignOutOptions) {
  const lasting = () => new Date(Date.now() + (maxTokenLifetimeSeconds + MARGIN_SECONDS) * 1000);

  /** Each logout token works once (OpenID Connect Back-Channel Logout 1.0 §2.6, `jti`). */
  async function takeOnce(db: Writes, { issuer, subject, sessionId, tokenId, expiresAt }: LogoutToken) {
    const kind: RevocationKind = sessionId === undefined ? "identity" : "session";
    const key = revocationKey(issuer, (sessionId ?? subject) as string);
    const usedUntil = new Date((expiresAt + MARGIN_SECONDS) * 1000);
    const values = [
      revocationKey(issuer, tokenId),
      usedUntil,
      kind,
      key,
      lasting(),
      ...toldOf(events, [{ kind, key }]),
    ];
    const taken = await db.query({ name: "auth.logout-tokens.take", text: TAKE_ONCE, values });
    if (taken.length === 0) throw new TokenRefused("it was used before");
    return kind;
  }

  return {
    /** What the issuer ended. @throws INVALID_LOGOUT_TOKEN, for every bad one; ISSUER_UNAVAILABLE. */
    async byIssuer(db: Writes, token: string, requestId: string): Promise<LogoutToken> {
      try {
        const logout = await verify(token);
        const kind = await takeOnce(db, logout);
        const { issuer } = logout;
        log.info({ requestId, issuer, kind }, "An issuer ended a session.");
        return logout;
      } catch (error) {
        if (!(error instanceof TokenRefused)) throw error;
        log.info({ requestId, reason: error.message }, "Logout token refused.");
        throw problem("INVALID_LOGOUT_TOKEN");
      }
    },

    /** Ends the session of a token; where its issuer names none, the token; where it has no id, all until now. */
    async byCaller(db: Writes, principal: Principal): Promise<void> {
      const { session, token, identity } = revocationKeys(principal);
      const revocation: NewRevocation = session
        ? { kind: "session", key: session, expiresAt: lasting() }
        : token
          ? { kind: "token", key: token, expiresAt: lasting() }
          : { kind: "identity", key: identity, expiresAt: lasting() };
      await revoke({ db, events }, [revocation]);
    },

    /** Ends everything of a user: sign-ins until now, and personal access tokens. */
    async ofUser(
      db: Writes,
      userId: string,
      identities: readonly { issuer: string; subject: string }[],
    ): Promise<void> {
      await revoke(
        { db, events },
        identities.map(({ issuer, subject }) => ({
          kind: "identity",
          key: revocationKey(issuer, subject),
          expiresAt: lasting(),
        })),
      );
      await db.query({
        name: "auth.tokens.delete-of-user",
        text: "delete from auth.personal_access_tokens where user_id = $1",
        values: [userId],
      });
    },

    /** Refuses a personal access token that was deleted, wherever its principal is remembered. */
    async ofPersonalToken(db: Writes, issuer: string, id: string): Promise<void> {
      await revoke({ db, events }, [{ kind: "token", key: revocationKey(issuer, id), expiresAt: lasting() }]);
    },
  };
}
