import { type AccessToken, accessTokenVerifier } from "../../../services/auth/access-token.ts";
import { ALGORITHMS, type Algorithm } from "../../../services/auth/algorithms.ts";
import { AUDIENCE, createKey, fixedKeys, ISSUER, type Members, type SigningKey, tokenOf } from "./tokens.ts";

export const NOW_SECONDS = 1_800_000_000;

/** The issuer's keys, one of each algorithm. */
export const issuersKeys = Object.fromEntries(ALGORITHMS.map((each) => [each, createKey(each)])) as Record<
  Algorithm,
  SigningKey
>;

/** A check of access tokens at a fixed time, with one thing or another set differently. */
export async function verifierOf(
  changes: Partial<Parameters<typeof accessTokenVerifier>[0]> = {},
): Promise<(token: string) => Promise<AccessToken>> {
  const algorithms = changes.algorithms ?? ["RS256", "ES256"];
  const keys = await fixedKeys(Object.values(issuersKeys), algorithms);
  return accessTokenVerifier({
    issuers: [{ issuer: ISSUER, audience: AUDIENCE, keys }],
    algorithms,
    authorizedParties: ["dashboard"],
    maxLifetimeSeconds: 86_400,
    rolesClaim: "realm_access.roles",
    clientId: "butler",
    now: () => NOW_SECONDS * 1000 + 500,
    ...changes,
  });
}

/** A token that is good at that time, unless a member spoils it. */
export function timelyToken(claims: Members = {}, header: Members = {}, by = issuersKeys.ES256): string {
  const times = { iat: NOW_SECONDS, exp: NOW_SECONDS + 300 };
  return tokenOf(by, { header, claims: { ...times, ...claims } });
}
