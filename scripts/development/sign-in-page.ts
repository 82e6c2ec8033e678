// The development issuer's pages: one column, nothing from elsewhere, no script.
import { createHash } from "node:crypto";
import type { Configuration, KoaContextWithOIDC } from "oidc-provider";
import { userNamePattern, userNameRule } from "./issuer-accounts.ts";

type Context = Pick<KoaContextWithOIDC, "type" | "body">;
type SignOut = NonNullable<NonNullable<Configuration["features"]>["rpInitiatedLogout"]>;

const style = `
:root { color-scheme: light dark; --accent: light-dark(#1d5fd1, #7fb0ff); --line: light-dark(#c9d0da, #444c58) }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  font: 1rem/1.5 system-ui, sans-serif; background: light-dark(#f3f5f8, #14171c); color: light-dark(#1b1f27, #e6e9ee) }
main { width: 100%; max-width: 24rem; padding: 2rem; border: 1px solid var(--line); border-radius: .75rem;
  background: light-dark(#fff, #1d2127) }
h1 { margin: 0 0 .25rem; font-size: 1.4rem; line-height: 1.3 }
p { margin: 0 0 1.25rem }
p:last-child { margin: 0 }
.hint { font-size: .875rem; color: light-dark(#5a6372, #a4adba) }
label { display: block; font-weight: 600 }
input[type=text] { display: block; width: 100%; margin: .25rem 0 .25rem; padding: .55rem .7rem; font: inherit;
  border: 1px solid var(--line); border-radius: .4rem; background: transparent; color: inherit }
.check { display: flex; gap: .5rem; align-items: center; margin: 1.1rem 0 1.4rem; font-weight: 400 }
.check input { width: 1.1rem; height: 1.1rem; margin: 0; accent-color: var(--accent) }
button { width: 100%; padding: .6rem; font: inherit; font-weight: 600; border: 1px solid var(--accent);
  border-radius: .4rem; background: var(--accent); color: light-dark(#fff, #10141a); cursor: pointer }
button.second { margin-top: .6rem; background: transparent; color: inherit; border-color: var(--line) }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
a { color: var(--accent) }
code { overflow-wrap: anywhere }
[role=alert] { margin: 0 0 1rem; padding: .5rem .7rem; border-radius: .4rem;
  background: light-dark(#fdecea, #43201d); color: light-dark(#8c1d18, #ffb4ab) }
`;

/** For a page's `style-src`. */
export const styleSource = `'sha256-${createHash("sha256").update(style).digest("base64")}'`;

export type SignInForm = {
  client: string;
  username: string;
  administrator: boolean;
  /** Whether the name was refused. */
  refused: boolean;
};

export function showSignIn(context: Context, { client, username, administrator, refused }: SignInForm): void {
  const alert = `<p role="alert" id="refusal">The user name ${userNameRule}.</p>`;
  show(
    context,
    "Sign in",
    `<p class="hint">to ${escapeHtml(client)}. This is a development system: any name will do, without a password,
    and a new name makes a new user.</p>
    ${refused ? alert : ""}
    <form method="post">
      <label for="username">User name</label>
      <input type="text" id="username" name="username" value="${escapeHtml(username)}" required autofocus
        maxlength="64" pattern="${escapeHtml(userNamePattern)}" title="The user name ${userNameRule}."
        ${refused ? 'aria-invalid="true" aria-describedby="refusal"' : ""}
        autocomplete="username" autocapitalize="none" spellcheck="false" placeholder="alice">
      <label class="check"><input type="checkbox" name="administrator" value="yes"${
        administrator ? " checked" : ""
      }> administrator</label>
      <button name="action" value="sign-in">Sign in</button>
      <button name="action" value="cancel" class="second" formnovalidate>Cancel</button>
    </form>`,
  );
}

/** A page of some words. */
export function showMessage(context: Context, title: string, text: string): void {
  show(context, title, `<p>${escapeHtml(text)}</p>`);
}

/** What somebody sees who opens the issuer's own address. */
export function showWelcome(context: Context, issuer: string, client: string): void {
  const discovery = `${issuer}/.well-known/openid-configuration`;
  show(
    context,
    "Development issuer",
    `<p>Applications on this machine send people here to sign in, by authorization code with PKCE (S256).</p>
    <p>Client <code>${escapeHtml(client)}</code><br>
    Discovery <a href="${escapeHtml(discovery)}"><code>${escapeHtml(discovery)}</code></a></p>
    <p><a href="session/end">Sign out</a></p>`,
  );
}

export const showSignOut: NonNullable<SignOut["logoutSource"]> = (context, form) => {
  const user = context.oidc.session?.accountId ?? "";
  show(
    context,
    "Sign out",
    `<p>You are signed in as <strong>${escapeHtml(user)}</strong>.</p>
    ${form}
    <button form="op.logoutForm" name="logout" value="yes" autofocus>Sign out</button>`,
  );
};

export const showSignedOut: NonNullable<SignOut["postLogoutSuccessSource"]> = (context) =>
  showMessage(context, "Signed out", "You can close this page.");

export const showError: NonNullable<Configuration["renderError"]> = (
  context,
  { error, error_description },
) => {
  const text = `The application's request was refused: ${error_description ?? "without a reason"} (${error}).`;
  showMessage(context, "That did not work", text);
};

function show(context: Context, title: string, content: string): void {
  context.type = "html";
  context.body = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${escapeHtml(title)} – Crypto Pocket Butler</title>
  <style>${style}</style>
</head>
<body>
  <main>
    <h1>${escapeHtml(title)}</h1>
    ${content}
  </main>
</body>
</html>
`;
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** For text, and for attributes in double quotes. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? "");
}
