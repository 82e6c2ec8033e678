import { z } from "zod";

/** What a personal access token may be given to do. */
export const GrantableScope = z.enum([
  "profile:read",
  "portfolios:read",
  "portfolios:write",
  "accounts:read",
  "accounts:write",
  "market:read",
]);
export type GrantableScope = z.infer<typeof GrantableScope>;

/**
 * What an action needs its caller to be allowed. The last ones only a sign-in's token has: a script can neither make
 * itself more tokens nor delete its user. `internal` actions have no scope: no token reaches them.
 */
export const Scope = z.enum([
  ...GrantableScope.options,
  "profile:write",
  "tokens:manage",
  "users:administer",
  "market:administer",
]);
export type Scope = z.infer<typeof Scope>;

/** How far an issuer's clock may be off ours. */
export const CLOCK_LEEWAY_SECONDS = 30;

/** The role that an issuer gives to those who may administer. */
export const ADMINISTRATOR = "administrator";

/**
 * Who makes a request: made by `auth` from a verified token, carried as `ctx.meta.principal`, checked by every service.
 * Kept small, because it is serialised on each hop.
 */
export const Principal = z.strictObject({
  /** Our own id of the user. */
  userId: z.guid(),
  /** The token's `sub` and `iss`. */
  subject: z.string().min(1).max(255),
  issuer: z.string().min(1).max(500),
  roles: z.array(z.string().max(100)).max(50),
  /** `all`: everything that the user may do, as with a token of a sign-in. */
  scopes: z.union([z.literal("all"), z.array(GrantableScope).max(20)]),
  /** The only portfolio that a personal access token may reach, if it was made for one. */
  portfolioId: z.guid().optional(),
  /** The issuer's session (`sid`), and the token's own id (`jti`, or ours for a personal access token). */
  sessionId: z.string().min(1).max(255).optional(),
  tokenId: z.string().min(1).max(255).optional(),
  /** When the token was issued, in seconds since 1970 (`iat`). */
  issuedAt: z.int().positive(),
  /** When the token ends, in seconds since 1970 (`exp`). */
  expiresAt: z.int().positive(),
});
export type Principal = z.infer<typeof Principal>;
