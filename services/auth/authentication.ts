import type { Call } from "../common/contract.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import { type Principal, Principal as PrincipalSchema } from "../common/principal.ts";
import { problem } from "../common/problem.ts";
import { revocationKeys } from "../common/revocation-key.ts";
import type { Log } from "../common/service.ts";
import type { users } from "../users/contract.ts";
import type { AccessToken } from "./access-token.ts";
import { causesOf } from "./causes.ts";
import { TokenRefused } from "./compact-jws.ts";
import { PERSONAL_ACCESS_TOKEN_PREFIX } from "./contract.ts";
import { useToken } from "./personal-access-tokens.ts";
import { type RevocationQuestion, revocationCheck } from "./revocations.ts";
import { noteSession } from "./sessions.ts";

export interface AuthenticationOptions {
  readonly pool: ConnectionPool;
  readonly verify: (token: string) => Promise<AccessToken>;
  readonly log: Log;
}

/** Where a token was sent from, and how to reach `users`. */
export interface AuthenticationRequest {
  readonly call: Call<typeof users>;
  readonly requestId: string;
  readonly address?: string | undefined;
}

/**
 * Makes the answer to 'whose token is this': a sign-in's token or a personal access token, neither bad nor revoked.
 * @throws UNAUTHENTICATED, the same for every bad token: why is in the log, the token never is. ISSUER_UNAVAILABLE.
 */
export function authentication({ pool, verify, log }: AuthenticationOptions) {
  const check = revocationCheck(pool);

  /** @returns when it was not. */
  async function refuseRevoked(question: RevocationQuestion): Promise<string> {
    const { isRevoked, checkedAt } = await check(question);
    if (isRevoked) throw new TokenRefused("it is revoked");
    return checkedAt;
  }

  async function ofSignIn(
    token: string,
    { call, requestId, address }: AuthenticationRequest,
  ): Promise<Principal> {
    const { issuer, subject, issuedAt, expiresAt, sessionId, tokenId, roles, ...profile } =
      await verify(token);
    const keys = revocationKeys({ issuer, subject, sessionId, tokenId });
    // Before the user is looked up: a deleted user's old token must not create the user anew.
    const checkedAt = await refuseRevoked({ keys, issuedAt });
    const sighting = { issuer, subject, profile, checked_at: checkedAt };
    const { user_id: userId } = await call("users.resolve", sighting);
    if (sessionId !== undefined) {
      const act = { userId, act: "session.started", subject, sessionId, address, requestId } as const;
      await noteSession(pool, issuer, act, checkedAt);
    }
    return withoutAbsent({
      userId,
      subject,
      issuer,
      roles,
      scopes: "all",
      sessionId,
      tokenId,
      issuedAt,
      expiresAt,
    });
  }

  async function ofPersonalToken(token: string): Promise<Principal> {
    const owner = await useToken(pool, token);
    if (!owner) throw new TokenRefused("there is no such personal access token, or it has expired");
    const { user_id, issuer, subject, scopes, portfolio_id, id } = owner;
    const issuedAt = seconds(owner.created_at);
    await refuseRevoked({ keys: revocationKeys({ issuer, subject, tokenId: id }), issuedAt });
    return withoutAbsent({
      userId: user_id,
      subject,
      issuer,
      roles: [],
      scopes,
      portfolioId: portfolio_id ?? undefined,
      tokenId: id,
      issuedAt,
      expiresAt: seconds(owner.expires_at),
    });
  }

  return async (token: string, request: AuthenticationRequest): Promise<Principal> => {
    try {
      return await (token.startsWith(PERSONAL_ACCESS_TOKEN_PREFIX)
        ? ofPersonalToken(token)
        : ofSignIn(token, request));
    } catch (error) {
      const { requestId, address } = request;
      if (error instanceof TokenRefused) {
        log.info({ requestId, address, reason: error.message }, "Access token refused.");
        throw problem("UNAUTHENTICATED");
      }
      log.warn({ requestId, reason: causesOf(error as Error) }, "Access token could not be checked.");
      throw error;
    }
  };
}

/** What travels has no members without a value. */
function withoutAbsent(principal: { [Key in keyof Principal]: Principal[Key] | undefined }): Principal {
  return PrincipalSchema.parse(JSON.parse(JSON.stringify(principal)));
}

function seconds(time: string): number {
  return Math.floor(Date.parse(time) / 1000);
}
