import { z } from "zod";
import {
  ConfigurationError,
  type Environment,
  positiveInteger,
  readSettings,
  text,
  url,
  variable,
} from "../common/config.ts";
import { ALGORITHMS, type Algorithm } from "./algorithms.ts";
import { isSecureUrl } from "./secure-url.ts";

const MAX_LIST_LENGTH = 20;

/** A comma separated list. */
function listOf<Item extends z.ZodType<unknown, string>>(item: Item) {
  return z
    .string()
    .transform((list) => list.split(",").map((each) => each.trim()))
    .pipe(z.array(item).max(MAX_LIST_LENGTH, `must name at most ${MAX_LIST_LENGTH}`));
}

const Algorithms = listOf(z.enum(ALGORITHMS, `must name some of ${ALGORITHMS.join(", ")}`));

export const authVariables = {
  issuers: variable(
    "OIDC_ISSUER",
    listOf(url("https", "http")).optional(),
    "Issuers of accepted tokens, comma separated, as their `iss` says.",
  ),
  audience: variable("OIDC_AUDIENCE", text(), "What a token's `aud` must contain."),
  keycloakServer: variable(
    "KEYCLOAK_SERVER",
    url("https", "http").optional(),
    "Instead: a Keycloak server's URL,",
  ),
  keycloakRealm: variable("KEYCLOAK_REALM", text("myrealm"), "its realm,"),
  keycloakAudience: variable("KEYCLOAK_AUDIENCE", text("account"), "and the audience of its tokens."),
  clientId: variable(
    "OIDC_CLIENT_ID",
    text(),
    "This system's front end as the issuer's client: its roles count, and logout tokens are meant for it.",
  ),
  authorizedParties: variable(
    "OIDC_AUTHORIZED_PARTIES",
    listOf(z.string()).default([]),
    "Clients (`azp`), comma separated, whose tokens are taken although their `aud` leaves us out.",
  ),
  rolesClaim: variable(
    "OIDC_ROLES_CLAIM",
    text("realm_access.roles"),
    "Where tokens name their user's roles.",
  ),
  algorithms: variable(
    "OIDC_ALGORITHMS",
    Algorithms.default(["RS256", "ES256"]),
    "Signature algorithms that are accepted (PS256 and EdDSA too, if named); a key that names none is for the first that fits it.",
  ),
  keyOrigins: variable(
    "OIDC_KEY_ORIGINS",
    listOf(url("https")).default([]),
    "Origins beside an issuer's own that its keys may come from.",
  ),
  maxTokenLifetimeSeconds: variable(
    "TOKEN_MAX_LIFETIME_SECS",
    positiveInteger(86_400, 31_536_000),
    "Tokens that are valid for longer are refused.",
  ),
} as const;

export interface AuthConfig {
  readonly issuers: readonly { readonly issuer: string; readonly audience: string }[];
  readonly clientId: string | undefined;
  readonly authorizedParties: readonly string[];
  readonly rolesClaim: string;
  readonly algorithms: readonly Algorithm[];
  readonly keyOrigins: readonly string[];
  readonly maxTokenLifetimeSeconds: number;
}

/** @throws {ConfigurationError} naming each wrong variable. */
export function readAuthConfig(environment: Environment): AuthConfig {
  const settings = readSettings(authVariables, environment);
  const { clientId, authorizedParties, rolesClaim, algorithms, keyOrigins, maxTokenLifetimeSeconds } =
    settings;
  const issuers = trustedIssuers(settings);
  for (const { issuer } of issuers) {
    if (!isSecureUrl(new URL(issuer))) {
      const { name } = settings.issuers ? authVariables.issuers : authVariables.keycloakServer;
      throw new ConfigurationError(
        `${name} must be https, except on this machine, but is "${issuer}": its keys decide who gets in.`,
      );
    }
  }
  return Object.freeze({
    issuers,
    clientId,
    authorizedParties,
    rolesClaim,
    algorithms,
    keyOrigins,
    maxTokenLifetimeSeconds,
  });
}

function trustedIssuers(settings: {
  readonly issuers?: readonly string[] | undefined;
  readonly audience?: string | undefined;
  readonly keycloakServer?: string | undefined;
  readonly keycloakRealm: string;
  readonly keycloakAudience: string;
}): AuthConfig["issuers"] {
  const { issuers, audience, keycloakServer, keycloakRealm, keycloakAudience } = settings;
  if (issuers) {
    if (!audience) throw new ConfigurationError("OIDC_AUDIENCE is not set: OIDC_ISSUER needs it.");
    return issuers.map((issuer) => ({ issuer, audience }));
  }
  if (!keycloakServer) {
    throw new ConfigurationError(
      "OIDC_ISSUER (with OIDC_AUDIENCE) or KEYCLOAK_SERVER must be set: who issues the tokens?",
    );
  }
  const issuer = `${keycloakServer.replace(/\/+$/, "")}/realms/${encodeURIComponent(keycloakRealm)}`;
  return [{ issuer, audience: keycloakAudience }];
}
