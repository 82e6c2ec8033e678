import { z } from "zod";
import { contract } from "../common/contract.ts";
import { GrantableScope, Principal } from "../common/principal.ts";
import { Name, PageParams, pageOf, Time, Uuid } from "../common/values.ts";
import { Counts, MAX_RATE_WINDOW_SECONDS, Sums } from "./contract/request-count.ts";

/*
 * Terms. *Access token*: what a caller proves itself with (RFC 6750): a JWT of a trusted issuer, or a personal access
 * token. *Issuer*: an OpenID provider whose tokens are accepted. *Principal*: who makes a request, as the services see
 * it. *Personal access token*: made by a user for a script, with scopes and an end. *Session*: a sign-in at an issuer
 * (`sid`). *Caller*: whose requests a rate limit counts together: a user, or the network that a request without a valid
 * token came from. *Revocation*: a session, token or identity that is refused from now on. *Act*: something that a user or
 * administrator did and that the audit trail keeps.
 */

/** Longer tokens are refused unread. */
export const MAX_TOKEN_LENGTH = 8192;

/** Three base64url parts (RFC 7515, compact serialisation); a JWE has five and is none. */
export const COMPACT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Tells people, and scanners of leaked secrets, what this is. */
export const PERSONAL_ACCESS_TOKEN_PREFIX = "cpb_pat_";

/** The prefix and 256 random bits. */
export const PERSONAL_ACCESS_TOKEN = /^cpb_pat_[\w-]{43}$/;

/** Personal access tokens end within a year. */
export const MAX_TOKEN_LIFETIME_DAYS = 366;

const Address = z.string().max(45).meta({ description: "The network address that the request came from." });

export const PersonalAccessToken = z.strictObject({
  id: Uuid,
  name: Name,
  scopes: z.array(GrantableScope),
  portfolio_id: Uuid.optional().meta({ description: "The only portfolio that the token reaches." }),
  created_at: Time,
  expires_at: Time,
  last_used_at: Time.optional().meta({ description: "To the minute." }),
});
export type PersonalAccessToken = z.infer<typeof PersonalAccessToken>;

export const AuditEvent = z.strictObject({
  id: Uuid,
  occurred_at: Time,
  act: z.string().meta({ description: "For example token.created, session.started, portfolios.create." }),
  subject: z.string().meta({ description: "The subject of the token that it was done with." }),
  session_id: z.string().optional(),
  token_id: z.string().optional(),
  address: Address.optional(),
  request_id: z.string().optional(),
  details: z.record(z.string(), z.string()).optional(),
});
export type AuditEvent = z.infer<typeof AuditEvent>;

export const Revocation = z.strictObject({
  kind: z.enum(["session", "token", "identity"]),
  key: z.string().max(64),
  revoked_at: Time,
  expires_at: Time,
});
export type Revocation = z.infer<typeof Revocation>;

/** Where the list of revocations goes on. */
export const RevocationPosition = z.strictObject({
  revoked_at: Time,
  kind: z.string().max(10),
  key: z.string().max(64),
});
export type RevocationPosition = z.infer<typeof RevocationPosition>;

/** Rows per page of the list of revocations. */
export const MAX_REVOCATIONS = 2_000;

/** That a session, a token, or all of an identity until now is refused from now on; the key is the aggregate's. */
const Revoked = Revocation.pick({ kind: true, key: true });

export const auth = contract(
  "auth",
  {
    /** Verifies an access token; its user is created at first sight. Every bad token is the same UNAUTHENTICATED. */
    authenticate: {
      summary: "Verify an access token and tell whose it is.",
      scope: "internal",
      repeatable: true,
      params: z.strictObject({ token: z.string().max(MAX_TOKEN_LENGTH), address: Address.optional() }),
      result: Principal,
      problems: ["UNAUTHENTICATED", "ISSUER_UNAVAILABLE"],
    },
    /** What is refused although it looks good; gateways keep a copy. */
    revocations: {
      summary: "List revocations, oldest first, after a position.",
      scope: "internal",
      repeatable: true,
      params: z.strictObject({ after: RevocationPosition.optional() }),
      result: z.array(Revocation).max(MAX_REVOCATIONS),
    },
    /** Adds what one gateway has let through to what all have; their rate limits are shared by it. */
    countRequests: {
      summary: "Count callers' requests, and tell how many there are in all.",
      scope: "internal",
      params: z.strictObject({
        counts: Counts,
        window_seconds: z.int().min(1).max(MAX_RATE_WINDOW_SECONDS),
      }),
      result: Sums,
    },
    /** OpenID Connect Back-Channel Logout 1.0: an issuer tells that a session, or all of a user's, has ended. */
    backchannelLogout: {
      summary: "Take an issuer's logout token.",
      scope: "public",
      http: "POST /oidc/backchannel-logout",
      outlivesClient: true,
      form: true,
      params: z.strictObject({ logout_token: z.string().max(MAX_TOKEN_LENGTH) }),
      result: z.strictObject({}),
      problems: ["INVALID_LOGOUT_TOKEN", "ISSUER_UNAVAILABLE"],
    },
    logout: {
      summary: "End the caller's session: its tokens are refused from now on.",
      scope: "tokens:manage",
      http: "POST /v1/logout",
      outlivesClient: true,
      status: 204,
      params: z.strictObject({}),
      result: z.null(),
    },
    revokeUser: {
      summary: "End all sessions and tokens of a user (administrators).",
      scope: "users:administer",
      http: "POST /v1/users/{id}/revoke",
      outlivesClient: true,
      status: 204,
      params: z.strictObject({ id: Uuid }),
      result: z.null(),
      problems: ["USER_NOT_FOUND"],
    },
    createToken: {
      summary: "Create a personal access token; it is shown only in this reply.",
      scope: "tokens:manage",
      http: "POST /v1/tokens",
      outlivesClient: true,
      status: 201,
      location: "/v1/tokens/{id}",
      params: z.strictObject({
        name: Name,
        scopes: z
          .array(GrantableScope)
          .min(1, "must name a scope")
          .max(GrantableScope.options.length, "must name each scope once")
          .refine((scopes) => new Set(scopes).size === scopes.length, "must name each scope once"),
        expires_at: z.iso.datetime({ offset: true }).meta({ description: "At most a year from now." }),
        portfolio_id: Uuid.optional(),
      }),
      result: PersonalAccessToken.extend({ token: z.string() }),
      secretResult: true,
      problems: ["UNAUTHENTICATED", "TOKEN_EXPIRY_OUT_OF_RANGE", "TOO_MANY_TOKENS", "PORTFOLIO_NOT_FOUND"],
    },
    listTokens: {
      summary: "List the caller's personal access tokens, oldest first.",
      scope: "tokens:manage",
      http: "GET /v1/tokens",
      params: z.strictObject(PageParams),
      result: pageOf(PersonalAccessToken),
    },
    deleteToken: {
      summary: "Delete a personal access token: it is refused from now on.",
      scope: "tokens:manage",
      http: "DELETE /v1/tokens/{id}",
      outlivesClient: true,
      status: 204,
      params: z.strictObject({ id: Uuid }),
      result: z.null(),
      problems: ["TOKEN_NOT_FOUND"],
    },
    audit: {
      summary: "List the caller's audit trail, newest first.",
      scope: "profile:read",
      http: "GET /v1/me/audit",
      params: z.strictObject(PageParams),
      result: pageOf(AuditEvent),
    },
    /** Writes down what was done with a token. */
    record: {
      summary: "Add an act to a user's audit trail.",
      scope: "internal",
      params: z.strictObject({
        user_id: Uuid,
        act: z.string().min(1).max(100),
        subject: z.string().min(1).max(255),
        session_id: z.string().max(255).optional(),
        token_id: z.string().max(255).optional(),
        address: Address.optional(),
        request_id: z.string().max(64).optional(),
        details: z.record(z.string().max(50), z.string().max(500)).optional(),
      }),
      result: z.null(),
    },
    exportTokens: {
      summary: "A user's personal access tokens.",
      scope: "internal",
      repeatable: true,
      params: z.strictObject({ user_id: Uuid, cursor: PageParams.cursor }),
      result: pageOf(PersonalAccessToken),
    },
    exportAudit: {
      summary: "A user's audit trail.",
      scope: "internal",
      repeatable: true,
      params: z.strictObject({ user_id: Uuid, cursor: PageParams.cursor }),
      result: pageOf(AuditEvent),
    },
    /** Refuses all tokens of these identities that were issued until now, and the user's personal access tokens. */
    revokeIdentities: {
      summary: "End all sessions and tokens of a user.",
      scope: "internal",
      params: z.strictObject({
        user_id: Uuid,
        identities: z
          .array(z.strictObject({ issuer: z.string().max(500), subject: z.string().max(255) }))
          .max(100),
      }),
      result: z.null(),
    },
    eraseUser: {
      summary: "Delete all that is kept of a user here; deleting it twice is no error.",
      scope: "internal",
      repeatable: true,
      params: z.strictObject({ user_id: Uuid }),
      result: z.null(),
    },
  },
  { events: { "auth.session_revoked": Revoked } },
);
