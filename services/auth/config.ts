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

const issuerList = z
  .string()
  .transform((list) => list.split(",").map((issuer) => issuer.trim()))
  .pipe(z.array(url("https", "http")).max(10, "must name at most 10 issuers"))
  .optional();

export const authVariables = {
  issuers: variable(
    "OIDC_ISSUER",
    issuerList,
    "Issuers of accepted tokens, comma separated, as their `iss` says.",
  ),
  audience: variable("OIDC_AUDIENCE", text("").optional(), "What a token's `aud` must contain."),
  keycloakServer: variable(
    "KEYCLOAK_SERVER",
    url("https", "http").optional(),
    "Instead: a Keycloak server's URL,",
  ),
  keycloakRealm: variable("KEYCLOAK_REALM", text("myrealm"), "its realm,"),
  keycloakAudience: variable("KEYCLOAK_AUDIENCE", text("account"), "and the audience of its tokens."),
  maxTokenLifetimeSeconds: variable(
    "TOKEN_MAX_LIFETIME_SECS",
    positiveInteger(86_400, 31_536_000),
    "Tokens that are valid for longer are refused.",
  ),
} as const;

export interface AuthConfig {
  readonly issuers: readonly { readonly issuer: string; readonly audience: string }[];
  readonly maxTokenLifetimeSeconds: number;
}

/** @throws {ConfigurationError} naming each wrong variable. */
export function readAuthConfig(environment: Environment): AuthConfig {
  const settings = readSettings(authVariables, environment);
  const { maxTokenLifetimeSeconds } = settings;
  const issuers = trustedIssuers(settings);
  for (const { issuer } of issuers) {
    const { protocol, hostname } = new URL(issuer);
    if (protocol === "http:" && !isLoopback(hostname)) {
      throw new ConfigurationError(`The issuer ${issuer} must be https: its keys decide who gets in.`);
    }
  }
  return Object.freeze({ issuers, maxTokenLifetimeSeconds });
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

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
