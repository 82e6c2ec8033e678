import { z } from "zod";
import { contract } from "../common/contract.ts";
import { isStorable, Name, PageParams, pageOf, Time, Uuid, Version } from "../common/values.ts";
import { ExportedPortfolio } from "../portfolios/contract/portfolio.ts";
import { Snapshot } from "../portfolios/contract/snapshots.ts";

/*
 * Terms. *User*: a person or program that uses the system, known by an id of ours. *Identity*: the pair of issuer and
 * subject by which a token names a user. *Profile*: what a token says about its user: e-mail address, name.
 * *Preferences*: what users set themselves. *Export*: all that is kept of a user, in every service, as a list of records.
 */

const claim = (maximum: number) =>
  z.string().min(1).max(maximum).refine(isStorable, "must not contain NUL or unpaired surrogates");

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

const currencies = new Set([...Intl.supportedValuesOf("currency"), "BTC", "ETH"]);
const timeZones = new Set([...Intl.supportedValuesOf("timeZone"), "UTC"]);

/** ISO 4217, or BTC or ETH. */
const Currency = z
  .string()
  .refine((code) => currencies.has(code), "must be a currency's code, for example USD or BTC");
/** A name of the IANA time zone database. */
const TimeZone = z
  .string()
  .refine((name) => timeZones.has(name), "must be a time zone's name, for example Europe/Berlin");

/** What users set themselves. */
export const Preferences = z.strictObject({
  display_name: z.string().optional(),
  base_currency: z.string().meta({ description: "ISO 4217, or BTC or ETH; USD unless set." }),
  time_zone: z.string().meta({ description: "A name of the IANA time zone database; UTC unless set." }),
});
export type Preferences = z.infer<typeof Preferences>;

/** The signed-in user, as existing clients read it: `user_id` is the token's subject, `id` our own. */
export const Me = z.strictObject({
  user_id: z.string().meta({ description: "The token's subject." }),
  id: Uuid,
  preferred_username: z.string().optional(),
  email: z.string().optional(),
  email_verified: z.boolean().optional(),
  roles: z.array(z.string()),
  ...Preferences.shape,
  version: Version,
});

/** One thing that is kept of a user; the member of its kind's name holds it, in the form of its own route. */
export const ExportRecord = z.looseObject({
  kind: z.enum(["user", "portfolio", "recommendation", "snapshot", "account", "token", "act"]),
  // Those with numbers of exact digits have to be known to be written.
  portfolio: ExportedPortfolio.optional(),
  snapshot: Snapshot.optional(),
});
export type ExportRecord = z.infer<typeof ExportRecord>;

/** What happens to a user; its id is the aggregate's. */
const OfUser = z.strictObject({ user_id: Uuid });

export const users = contract(
  "users",
  {
    /** The user of an identity: found, or created at its first sight; the profile follows the token. */
    resolve: {
      summary: "Find or create the user of an identity.",
      scope: "internal",
      repeatable: true,
      params: z.strictObject({
        ...Identity.shape,
        profile: Profile,
        checked_at: Time.meta({ description: "When the token was not revoked, by the database's clock." }),
      }),
      result: z.strictObject({ user_id: Uuid }),
      // A new user's token was checked too long ago.
      problems: ["SERVICE_UNAVAILABLE"],
    },
    me: {
      summary: "Tell who is signed in.",
      scope: "profile:read",
      http: ["GET /v1/me", "GET /me"],
      variesByCaller: true,
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
    updateMe: {
      summary: "Change the caller's preferences; those left out stay as they are.",
      scope: "profile:write",
      http: "PATCH /v1/me",
      ifMatch: true,
      variesByCaller: true,
      outlivesClient: true,
      params: z.strictObject({
        display_name: Name.nullable().optional(),
        base_currency: Currency.optional(),
        time_zone: TimeZone.optional(),
        if_match: Version.optional(),
      }),
      result: Me,
      problems: ["UNAUTHENTICATED", "PRECONDITION_FAILED"],
    },
    deleteMe: {
      summary: "Delete the caller and all that is kept of the caller, everywhere.",
      scope: "profile:write",
      http: "DELETE /v1/me",
      outlivesClient: true,
      status: 204,
      params: z.strictObject({}),
      result: z.null(),
    },
    exportMe: {
      summary: "All that is kept of the caller, as a list of records.",
      scope: "profile:write",
      http: "GET /v1/me/export",
      everyPage: true,
      params: z.strictObject({ cursor: PageParams.cursor }),
      result: pageOf(ExportRecord),
      problems: ["UNAUTHENTICATED"],
    },
    identities: {
      summary: "The identities of a user; none when there is no such user.",
      scope: "internal",
      repeatable: true,
      params: z.strictObject({ user_id: Uuid }),
      result: z.array(Identity),
    },
  },
  { events: { "users.created": OfUser, "users.deleted": OfUser } },
);
