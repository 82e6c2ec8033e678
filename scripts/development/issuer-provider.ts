// What the development issuer can do, in the words of oidc-provider.
import { randomBytes } from "node:crypto";
import type { JWK } from "jose";
import {
  type ClientMetadata,
  type Configuration,
  errors,
  type Grant,
  interactionPolicy,
  Provider,
} from "oidc-provider";
import { developmentClient, developmentGrant, webClient } from "./development-grant.ts";
import { accessOf, isRole, profileOf } from "./issuer-accounts.ts";
import { isLoopback, logoutAddressOf } from "./issuer-addresses.ts";
import { apiResource, resourceServer } from "./issuer-api.ts";
import { registerDevelopmentGrant } from "./issuer-grant.ts";
import { memoryStorage } from "./issuer-storage.ts";
import { userInfo, userInfoPath } from "./issuer-user-info.ts";
import { identityScopes, securePages, signInPages, signInPath } from "./sign-in.ts";
import { showError, showSignedOut, showSignOut } from "./sign-in-page.ts";

const sessionLifetimeSecs = 24 * 60 * 60;

export type ProviderOptions = {
  issuer: string;
  key: JWK;
  /** Where the API is: it hears of sign-outs, and its documentation may sign people in. */
  apiUrl: string;
  log: (line: string) => void;
};

/** The issuer as an application of Koa, not yet listening. */
export async function createProvider(options: ProviderOptions): Promise<Provider> {
  const { issuer, apiUrl, log } = options;
  const api = new URL(apiUrl);
  const logoutAddress = logoutAddressOf(apiUrl);
  const isKnownOrigin = (origin: string) => origin === api.origin || isLoopback(origin);
  const provider = new Provider(issuer, configurationOf(options, logoutAddress, isKnownOrigin));
  // The registered ones are few; any port and any path of this machine is as good.
  provider.Client.prototype.redirectUriAllowed = function (uri) {
    return this.redirectUris?.includes(uri) || isLoopback(uri);
  };
  provider.Client.prototype.postLogoutRedirectUriAllowed = provider.Client.prototype.redirectUriAllowed;
  provider.on("backchannel.error", (_context, error, _client, accountId) => {
    log(`${logoutAddress} did not learn that ${accountId} signed out: ${reasonOf(error)}`);
  });
  // The API's tokens have no scope, which oidc-provider writes as an empty one; RFC 6749 knows none, nor do clients.
  provider.on("grant.success", ({ body, oidc }) => {
    const answer = body as { scope?: string };
    if (answer.scope === "") answer.scope = oidc.entities.AuthorizationCode?.scope ?? "openid";
  });
  provider.on("server_error", (_context, error) => log(`the development issuer failed: ${error.stack}`));
  provider.use(securePages);
  provider.use(await userInfo({ ...options, isKnownOrigin }));
  provider.use(signInPages(provider));
  registerDevelopmentGrant(provider);
  return provider;
}

function configurationOf(
  { issuer, key, apiUrl }: ProviderOptions,
  logoutAddress: string,
  isKnownOrigin: (origin: string) => boolean,
): Configuration {
  return {
    adapter: memoryStorage(),
    jwks: { keys: [key] },
    cookies: {
      keys: [randomBytes(32).toString("base64url")],
      // Cookies know no ports: whatever else is developed on this machine has its own beside these.
      names: {
        session: "butler_session",
        interaction: "butler_interaction",
        resume: "butler_interaction_resume",
      },
    },
    clients: clientsOf(apiUrl, logoutAddress),
    responseTypes: ["code"],
    clientAuthMethods: ["none"],
    scopes: identityScopes,
    claims: { openid: ["sub"], profile: ["preferred_username"], email: ["email", "email_verified"] },
    ttl: {
      AccessToken: resourceServer.accessTokenTTL,
      AuthorizationCode: 60,
      Grant: sessionLifetimeSecs,
      IdToken: 60 * 60,
      Interaction: 60 * 60,
      Session: sessionLifetimeSecs,
    },
    interactions: { policy: withoutConsent(), url: (_context, { uid }) => `${signInPath}${uid}` },
    findAccount: (_context, accountId) => ({
      accountId,
      claims: () => ({ sub: accountId, ...profileOf(accountId) }),
    }),
    extraTokenClaims: ({ oidc }, token) => {
      if (token.kind !== "AccessToken") return undefined;
      const { accountId, gty, sid } = token;
      const role = gty === developmentGrant ? oidc.params?.role : roleOf(oidc.entities.Grant);
      return { ...profileOf(accountId), ...accessOf(isRole(role) ? role : "user"), sid };
    },
    // Tokens of the development grant are for the terminal: no page may fetch one.
    clientBasedCORS: (_context, origin, { clientId }) => clientId === webClient && isKnownOrigin(origin),
    fetch: fetchOnly(logoutAddress),
    renderError: showError,
    // oidc-provider's own refuses tokens that are for an API.
    discovery: { userinfo_endpoint: `${issuer}${userInfoPath}` },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      userinfo: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: showSignOut,
        postLogoutSuccessSource: showSignedOut,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => apiResource,
        getResourceServerInfo: (_context, resource) => {
          if (resource !== apiResource) throw new errors.InvalidTarget();
          return resourceServer;
        },
      },
    },
  };
}

function clientsOf(apiUrl: string, logoutAddress: string): ClientMetadata[] {
  return [
    {
      client_id: developmentClient,
      token_endpoint_auth_method: "none",
      grant_types: [developmentGrant],
      response_types: [],
      redirect_uris: [],
    },
    {
      client_id: webClient,
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code"],
      response_types: ["code"],
      redirect_uris: [new URL("/docs", apiUrl).href, new URL("/docs/oauth2-redirect.html", apiUrl).href],
      backchannel_logout_uri: logoutAddress,
      backchannel_logout_session_required: true,
    },
  ];
}

/** Who signs in has agreed to what there is. */
function withoutConsent() {
  const policy = interactionPolicy.base();
  policy.remove("consent");
  return policy;
}

function roleOf(grant: Grant | undefined): string | undefined {
  return grant?.getResourceScope(apiResource);
}

/** oidc-provider's dispatcher refuses loopback addresses, where the API is: only the API is asked, and without it. */
function fetchOnly(address: string): NonNullable<Configuration["fetch"]> {
  return async (input, { dispatcher: _, ...options } = {}) => {
    if (String(input) !== address) throw new Error(`The development issuer asks nobody but ${address}`);
    return fetch(address, options);
  };
}

function reasonOf({ message, cause }: Error): string {
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}
