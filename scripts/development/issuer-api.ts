// The API that the development issuer's access tokens are for.

/** Who the access tokens are for. */
export const developmentAudience = "crypto-pocket-butler";

/** The API as RFC 8707 names it; its one scope is the role that somebody signed in with. */
export const apiResource = "urn:crypto-pocket-butler:api";

/** How oidc-provider makes its access tokens (RFC 9068). */
export const resourceServer = {
  audience: developmentAudience,
  scope: "",
  accessTokenFormat: "jwt",
  accessTokenTTL: 8 * 60 * 60,
  jwt: { sign: { alg: "RS256" } },
} as const;
