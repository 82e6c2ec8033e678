import { implement } from "../common/implement.ts";
import { problem } from "../common/problem.ts";
import type { ServiceModule } from "../common/service.ts";
import { users } from "../users/contract.ts";
import { readAuthConfig } from "./config.ts";
import { auth } from "./contract.ts";
import { TokenRefused, tokenVerifier } from "./verify.ts";

/** Turns access tokens into principals. */
const service: ServiceModule = (environment) => {
  const config = readAuthConfig(environment);

  return async (log) => {
    const verify = tokenVerifier(config);

    const schema = implement({
      contract: auth,
      uses: [users],
      handlers: {
        async authenticate({ params: { token }, call, requestId }) {
          const claims = await verify(token).catch((error) => {
            if (!(error instanceof TokenRefused)) throw error;
            log.info({ requestId, reason: error.message }, "Access token refused.");
            throw problem("UNAUTHENTICATED");
          });
          const { iss: issuer, sub: subject, exp: expiresAt, realm_access, ...profile } = claims;
          const { iat: _, ...named } = profile;
          const { user_id: userId } = await call("users.resolve", { issuer, subject, profile: named });
          return {
            userId,
            subject,
            issuer,
            roles: realm_access?.roles ?? [],
            scopes: "all" as const,
            expiresAt,
          };
        },
      },
    });
    return { schema, uses: [users.name] };
  };
};
export default service;
