// The grant behind `npm run token`: a token for whoever names a user.
import { errors, type Provider, type TokenEndpointGrantContext } from "oidc-provider";
import { developmentGrant } from "./development-grant.ts";
import { isRole, isUserName, roleNames, userNameRule } from "./issuer-accounts.ts";
import { apiResource, resourceServer } from "./issuer-api.ts";

type DevelopmentParameters = { username?: string; role?: string };

/** Lets the token endpoint answer to the development grant. */
export function registerDevelopmentGrant(provider: Provider): void {
  provider.registerGrantType<DevelopmentParameters>(
    developmentGrant,
    async (context) => {
      const token = new provider.AccessToken({
        accountId: userOf(context),
        client: context.oidc.client,
        resourceServer: new provider.ResourceServer(apiResource, resourceServer),
        gty: developmentGrant,
        // Nobody was asked for consent, so there is no grant to point at.
        grantId: "",
      });
      const value = await token.save();
      context.body = { access_token: value, token_type: token.tokenType, expires_in: token.expiration };
    },
    ["username", "role"],
  );
}

function userOf(context: TokenEndpointGrantContext<DevelopmentParameters>): string {
  const { username, role = "user" } = context.oidc.params;
  if (!isUserName(username)) throw new errors.InvalidRequest(`username ${userNameRule}`);
  if (!isRole(role)) throw new errors.InvalidRequest(`role must be ${roleNames.join(" or ")}`);
  return username;
}
