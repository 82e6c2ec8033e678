// How a client asks the development issuer for a token: one POST, without a sign-in.

/** RFC 6749, section 4.5: an absolute URI names a grant type of one's own. Parameters: username, role. */
export const developmentGrant = "urn:crypto-pocket-butler:grant:development";
export const developmentClient = "development";
