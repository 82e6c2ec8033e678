import { z } from "zod";
import { contract } from "../common/contract.ts";
import { Principal } from "../common/principal.ts";

/*
 * Terms. *Access token*: what a caller proves itself with (RFC 6750), a JWT of a trusted issuer. *Issuer*: an OpenID
 * provider whose tokens are accepted. *Principal*: who makes a request, as the services see it.
 */

/** Longer tokens are refused unread. */
export const MAX_TOKEN_LENGTH = 8192;

/** Three canonical base64url parts (RFC 7515, compact serialisation); a JWE has five and is none. */
export const COMPACT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/;

export const auth = contract("auth", {
  /** Verifies an access token; its user is created at first sight. Every bad token is the same UNAUTHENTICATED. */
  authenticate: {
    summary: "Verify an access token and tell whose it is.",
    scope: "internal",
    params: z.strictObject({ token: z.string().max(MAX_TOKEN_LENGTH) }),
    result: Principal,
    problems: ["UNAUTHENTICATED", "ISSUER_UNAVAILABLE"],
  },
});
