// OpenID Connect Core 1.0, section 5.3: who the bearer of an access token is.
import { importJWK, type JWK, jwtVerify } from "jose";
import type { Provider } from "oidc-provider";
import { isUserName, profileOf } from "./issuer-accounts.ts";
import { developmentAudience } from "./issuer-api.ts";

export const userInfoPath = "/userinfo";

const algorithm = "RS256";
const preflightLifetimeSecs = 3600;

/** Answers for every access token of this issuer, those of `npm run token` included. */
export async function userInfo(options: {
  issuer: string;
  key: JWK;
  isKnownOrigin: (origin: string) => boolean;
}): Promise<Parameters<Provider["use"]>[0]> {
  const { issuer, isKnownOrigin } = options;
  const { kty = "", n = "", e = "" } = options.key;
  const key = await importJWK({ kty, n, e }, algorithm);
  return async (context, next) => {
    if (context.path !== userInfoPath) return next();
    const origin = context.get("Origin");
    context.vary("Origin");
    if (isKnownOrigin(origin)) context.set("Access-Control-Allow-Origin", origin);
    if (context.method === "OPTIONS") {
      context.set({
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Authorization",
        "Access-Control-Max-Age": String(preflightLifetimeSecs),
      });
      context.status = 204;
      return;
    }
    context.set("Cache-Control", "no-store");
    const subject = await subjectOf(context.get("Authorization"), issuer, key);
    if (subject !== undefined) {
      context.body = { sub: subject, ...profileOf(subject) };
      return;
    }
    context.set("WWW-Authenticate", 'Bearer error="invalid_token"');
    context.status = 401;
    context.body = { error: "invalid_token", error_description: "send an access token of this issuer" };
  };
}

async function subjectOf(
  authorization: string,
  issuer: string,
  key: Parameters<typeof jwtVerify>[1],
): Promise<string | undefined> {
  const [, token = ""] = /^Bearer (.+)$/i.exec(authorization) ?? [];
  const { sub } = await jwtVerify(token, key, {
    issuer,
    audience: developmentAudience,
    typ: "at+jwt",
    algorithms: [algorithm],
  }).then(
    ({ payload }) => payload,
    () => ({ sub: undefined }),
  );
  return isUserName(sub) ? sub : undefined;
}
