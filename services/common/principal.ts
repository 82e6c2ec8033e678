import { z } from "zod";

/** What a token may be allowed to do. `internal` actions have no scope: no token reaches them. */
export const Scope = z.enum(["profile:read", "portfolios:read", "portfolios:write"]);
export type Scope = z.infer<typeof Scope>;

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
  scopes: z.union([z.literal("all"), z.array(Scope)]),
  /** When the token ends, in seconds since 1970 (`exp`). */
  expiresAt: z.int().positive(),
});
export type Principal = z.infer<typeof Principal>;
