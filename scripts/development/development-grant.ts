// By what names clients know the development issuer.

/**
 * How `npm run token` gets a token: one POST, without a sign-in. RFC 6749, section 4.5: an absolute URI names a grant
 * type of one's own. Parameters: username, role.
 */
export const developmentGrant = "urn:crypto-pocket-butler:grant:development";
export const developmentClient = "development";

/** A public client for whatever runs in a browser on this machine: authorization code with PKCE, no secret. */
export const webClient = "crypto-pocket-butler-web";
