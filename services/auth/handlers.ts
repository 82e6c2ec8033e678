import { cursorAfter, positionOf } from "../common/database/cursor.ts";
import type { Database } from "../common/database/database.ts";
import type { Handlers } from "../common/implement.ts";
import { pageWithin } from "../common/page.ts";
import type { Principal } from "../common/principal.ts";
import { problem } from "../common/problem.ts";
import { revocationKeys } from "../common/revocation-key.ts";
import type { portfolios } from "../portfolios/contract.ts";
import type { users } from "../users/contract.ts";
import { type Act, auditEventOf, listActs, NEWEST, recordAct } from "./audit-trail.ts";
import type { auth } from "./contract.ts";
import { eraseUser } from "./erase.ts";
import { createToken, deleteToken, isWithinAYear, listTokens, tokenOf } from "./personal-access-tokens.ts";
import { revocationCheck } from "./revocations.ts";
import { usersOf } from "./sessions.ts";
import type { signOut } from "./sign-out.ts";

type AuthHandlers = Handlers<typeof auth, typeof users | typeof portfolios>;
type SignOuts = ReturnType<typeof signOut>;

/** Who did it, with what, from where: as the audit trail writes it down. */
function actOf(
  { principal, requestId, address }: Deed,
  act: string,
  details?: Readonly<Record<string, string>>,
): Act {
  const { userId, subject, sessionId, tokenId } = principal;
  return { userId, act, subject, sessionId, tokenId, address, requestId, details };
}

interface Deed {
  readonly principal: Principal;
  readonly requestId: string;
  readonly address: string | undefined;
}

/** Signing out, in every way. */
export function signOutHandlers(
  { pool }: Database,
  signOuts: SignOuts,
): Pick<AuthHandlers, "backchannelLogout" | "logout" | "revokeUser" | "revokeIdentities"> {
  return {
    async backchannelLogout({ params: { logout_token }, requestId, address, once }) {
      return once(async (db) => {
        const { issuer, subject, sessionId } = await signOuts.byIssuer(db, logout_token, requestId);
        // Whose sessions they were is known from the first sight of each.
        const users = await usersOf(db, { issuer, subject, sessionId });
        for (const user of users) {
          await recordAct(db, { ...user, act: "session.ended_by_issuer", sessionId, address, requestId });
        }
        return {};
      });
    },

    async logout(context) {
      const { principal, once } = context;
      const { session, token, identity } = revocationKeys(principal);
      // Another session of the user's ends by a request of its own, also with the same key.
      return once.of(session ?? token ?? identity)(async (db) => {
        await signOuts.byCaller(db, principal);
        await recordAct(db, actOf(context, "session.ended"));
        return null;
      });
    },

    async revokeUser(context) {
      const { params, call, problem, principal, requestId, once } = context;
      return once(async (db) => {
        const identities = await call("users.identities", { user_id: params.id });
        if (identities.length === 0) throw problem("USER_NOT_FOUND");
        await signOuts.ofUser(db, params.id, identities);
        await recordAct(db, actOf(context, "user.revoked", { user_id: params.id }));
        await recordAct(db, {
          userId: params.id,
          act: "user.revoked_by_administrator",
          subject: principal.subject,
          requestId,
        });
        return null;
      });
    },

    async revokeIdentities({ params: { user_id, identities } }) {
      await signOuts.ofUser(pool, user_id, identities);
      return null;
    },
  };
}

/** Personal access tokens. */
export function tokenHandlers(
  { pool }: Database,
  signOuts: SignOuts,
): Pick<AuthHandlers, "createToken" | "listTokens" | "deleteToken" | "exportTokens"> {
  const check = revocationCheck(pool);
  async function refuseRevoked(principal: Principal): Promise<void> {
    const question = { keys: revocationKeys(principal), issuedAt: principal.issuedAt };
    if ((await check(question)).isRevoked) throw problem("UNAUTHENTICATED");
  }
  const list = (userId: string, cursor?: string, limit?: number) =>
    pageWithin({
      limit,
      read: (rows) => listTokens(pool, userId, positionOf(cursor), rows),
      cursorAfter,
      item: tokenOf,
    });

  return {
    async createToken(context) {
      const { params, principal, call, problem, once } = context;
      // A gateway may not know yet; a token made now, or shown again, would outlive the sign-in that is revoked.
      await refuseRevoked(principal);
      return once(async (db) => {
        if (!isWithinAYear(params.expires_at)) throw problem("TOKEN_EXPIRY_OUT_OF_RANGE");
        // Answers for itself when there is no such portfolio of the caller's.
        if (params.portfolio_id) await call("portfolios.get", { id: params.portfolio_id });
        await refuseRevoked(principal);
        const token = await createToken(db, principal.userId, principal, params);
        if (!token) throw problem("TOO_MANY_TOKENS");
        await recordAct(db, actOf(context, "token.created", { token_id: token.id, name: token.name }));
        return token;
      });
    },

    listTokens: ({ params: { cursor, limit }, principal }) => list(principal.userId, cursor, limit),

    async deleteToken(context) {
      const { params, principal, problem } = context;
      const deleted = await deleteToken(pool, principal.userId, params.id);
      if (!deleted) throw problem("TOKEN_NOT_FOUND");
      await signOuts.ofPersonalToken(pool, deleted.issuer, params.id);
      await recordAct(pool, actOf(context, "token.deleted", { token_id: params.id }));
      return null;
    },

    exportTokens: ({ params: { user_id, cursor } }) => list(user_id, cursor),
  };
}

/** The audit trail, and the end of a user. */
export function trailHandlers(
  database: Database,
): Pick<AuthHandlers, "audit" | "record" | "exportAudit" | "eraseUser"> {
  const { pool } = database;
  const list = (userId: string, cursor?: string, limit?: number) =>
    pageWithin({
      limit,
      read: (rows) => listActs(pool, userId, cursor === undefined ? NEWEST : positionOf(cursor), rows),
      cursorAfter,
      item: auditEventOf,
    });

  return {
    audit: ({ params: { cursor, limit }, principal }) => list(principal.userId, cursor, limit),

    async record({ params: { user_id, session_id, token_id, request_id, ...act } }) {
      await recordAct(pool, {
        ...act,
        userId: user_id,
        sessionId: session_id,
        tokenId: token_id,
        requestId: request_id,
      });
      return null;
    },

    exportAudit: ({ params: { user_id, cursor } }) => list(user_id, cursor),

    async eraseUser({ params: { user_id } }) {
      await eraseUser(database, user_id);
      return null;
    },
  };
}
