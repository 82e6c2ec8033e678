/** The signature algorithms that can be allowed, as a token's `alg` names them (RFC 7518 §3.1, RFC 8037 §3.1). */
export const ALGORITHMS = ["RS256", "ES256", "PS256", "EdDSA"] as const;

export type Algorithm = (typeof ALGORITHMS)[number];
