// Signing in with the development issuer: a page that asks for a name.
import type { IncomingMessage } from "node:http";
import { errors, type Interaction, type Provider } from "oidc-provider";
import { webClient } from "./development-grant.ts";
import { isUserName, type Role } from "./issuer-accounts.ts";
import { apiResource } from "./issuer-api.ts";
import { showMessage, showSignIn, showWelcome, styleSource } from "./sign-in-page.ts";

type Middleware = Parameters<Provider["use"]>[0];

/** Followed by the id of the sign-in. */
export const signInPath = "/sign-in/";
/** All that can be asked for; each sign-in grants it. */
export const identityScopes = ["openid", "profile", "email"];

const formBytesMax = 4096;

const securityHeaders = {
  "Content-Security-Policy": [
    "default-src 'none'",
    `style-src ${styleSource}`,
    // Without a value: none. oidc-provider adds the hash of the one script that it has.
    "script-src",
    // A form's answer leads back to the application, which browsers count as a target of the form; [::1], which it may
    // be, cannot be named here.
    "form-action 'self' http:",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "same-origin",
};

/** Lets no page load, run or show anything but itself. */
export const securePages: Middleware = async (context, next) => {
  context.set(securityHeaders);
  await next();
};

/** Serves the page, takes its form, and hands the sign-in back to oidc-provider. */
export function signInPages(provider: Provider): Middleware {
  return async (context, next) => {
    if (context.path === "/") return showWelcome(context, provider.issuer, webClient);
    if (!context.path.startsWith(signInPath)) return next();
    context.set("Cache-Control", "no-store");
    const interaction = await provider.interactionDetails(context.req, context.res).catch((error) => {
      if (error instanceof errors.SessionNotFound) return undefined;
      throw error;
    });
    if (interaction === undefined) {
      context.status = 400;
      const advice = "Go back to the application and sign in there once more.";
      return showMessage(context, "This sign-in is over", advice);
    }
    const client = String(interaction.params.client_id);
    if (context.method !== "POST") {
      const hint = interaction.params.login_hint;
      const username = isUserName(hint) ? hint : "";
      return showSignIn(context, { client, username, administrator: false, refused: false });
    }
    const form = await readForm(context.req);
    const username = (form.get("username") ?? "").trim();
    const administrator = form.get("administrator") === "yes";
    const isCancelled = form.get("action") === "cancel";
    if (!isCancelled && !isUserName(username)) {
      context.status = 422;
      return showSignIn(context, { client, username, administrator, refused: true });
    }
    const result = isCancelled
      ? { error: "access_denied", error_description: "the sign-in was cancelled" }
      : await signIn(provider, interaction, username, administrator ? "administrator" : "user");
    const address = await provider.interactionResult(context.req, context.res, result);
    context.redirect(address);
    context.status = 303;
  };
}

/** The grant keeps the role: an access token's claims come from there. */
async function signIn(provider: Provider, { params }: Interaction, username: string, role: Role) {
  const grant = new provider.Grant({ accountId: username, clientId: String(params.client_id) });
  grant.addOIDCScope(identityScopes.join(" "));
  grant.addResourceScope(apiResource, role);
  return { login: { accountId: username }, consent: { grantId: await grant.save() } };
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk;
    if (text.length > formBytesMax) throw Object.assign(new Error("Too long"), { status: 413, expose: true });
  }
  return new URLSearchParams(text);
}
