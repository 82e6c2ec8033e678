import { z } from "zod";
import { contract } from "../common/contract.ts";
import { Uuid } from "../common/values.ts";

/*
 * Terms. *User*: a person or program that uses the system, known by an id of ours. *Identity*: the pair of issuer and
 * subject by which a token names a user. *Profile*: what a token says about its user: e-mail address, name.
 */

const claim = (maximum: number) => z.string().min(1).max(maximum);

/** Who a verified token speaks of. */
export const Identity = z.strictObject({ issuer: claim(500), subject: claim(255) });
export type Identity = z.infer<typeof Identity>;

/** What a token says about its user; the columns of the same names follow it. */
export const Profile = z.strictObject({
  email: claim(320).optional(),
  email_verified: z.boolean().optional(),
  preferred_username: claim(255).optional(),
});
export type Profile = z.infer<typeof Profile>;

/** The signed-in user, as existing clients read it: `user_id` is the token's subject, `id` our own. */
export const Me = z.strictObject({
  user_id: z.string().meta({ description: "The token's subject." }),
  id: Uuid,
  preferred_username: z.string().optional(),
  email: z.string().optional(),
  email_verified: z.boolean().optional(),
  roles: z.array(z.string()),
});

export const users = contract("users", {
  /** The user of an identity: found, or created at its first sight; the profile follows the token. */
  resolve: {
    summary: "Find or create the user of an identity.",
    scope: "internal",
    params: z.strictObject({ ...Identity.shape, profile: Profile }),
    result: z.strictObject({ user_id: Uuid }),
  },
  me: {
    summary: "Tell who is signed in.",
    scope: "profile:read",
    http: ["GET /v1/me", "GET /me"],
    params: z.strictObject({}),
    result: Me,
    // A token may outlive its user.
    problems: ["UNAUTHENTICATED"],
  },
  /** Kept for existing clients, which use it to see whether a token works. */
  protected: {
    summary: "Tell whether the token works.",
    scope: "profile:read",
    http: "GET /protected",
    params: z.strictObject({}),
    result: z.strictObject({ message: z.string(), user_id: z.string() }),
  },
});
