import { createHash, randomBytes } from "node:crypto";
import { createRemoteJWKSet, type JWTVerifyOptions, jwtVerify } from "jose";
import { webClient } from "../../scripts/development/development-grant.ts";

/** Where the application wants people back; nothing listens there. */
export const application = "http://localhost:5173/callback";
/** RFC 7636: what the application keeps, and what it shows of it. */
export const verifier = randomBytes(32).toString("base64url");
const challenge = createHash("sha256").update(verifier).digest("base64url");

type Parameters = Readonly<Record<string, string | undefined>>;
type Tokens = {
  status: number;
  access_token: string;
  id_token: string;
  token_type?: string;
  expires_in?: number;
  error?: string;
};

/** A browser without scripts, and the application that sends it to the issuer. */
export function openBrowser(issuer: string) {
  const cookies = new Map<string, string>();

  async function send(address: string, form?: Record<string, string>): Promise<Response> {
    const response = await fetch(address, {
      redirect: "manual",
      headers: {
        Accept: "text/html",
        Cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; "),
      },
      ...(form ? { method: "POST", body: new URLSearchParams(form) } : {}),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === "") cookies.delete(name);
      else cookies.set(name, value);
    }
    return response;
  }

  /** Follows redirects as long as they stay with the issuer; the address is where that ends. */
  async function visit(address: string, form?: Record<string, string>) {
    let response = await send(address, form);
    let at = address;
    for (let hops = 0; hops < 10 && response.status === 303; hops++) {
      at = new URL(response.headers.get("Location") as string, at).href;
      if (!at.startsWith(issuer)) break;
      response = await send(at);
    }
    return { address: at, status: response.status, headers: response.headers, page: await response.text() };
  }

  function authorization(parameters: Parameters = {}): string {
    const all = {
      client_id: webClient,
      response_type: "code",
      scope: "openid profile email",
      redirect_uri: application,
      state: "state-1",
      nonce: "nonce-1",
      code_challenge: challenge,
      code_challenge_method: "S256",
      ...parameters,
    };
    const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return `${issuer}/auth?${new URLSearchParams(given)}`;
  }

  return {
    visit,
    /** Where the application sends somebody who is to sign in. */
    authorization,
    signIn: async (form: Record<string, string>, parameters: Parameters = {}) =>
      visit((await visit(authorization(parameters))).address, form),
    signOut: async (parameters: Record<string, string> = {}) => {
      const { page } = await visit(`${issuer}/session/end?${new URLSearchParams(parameters)}`);
      const xsrf = /name="xsrf" value="([^"]+)"/.exec(page)?.[1] ?? "";
      return visit(`${issuer}/session/end/confirm`, { xsrf, logout: "yes" });
    },
    /** Has the code that came with this address exchanged for tokens. */
    redeem: async (address: string, parameters: Record<string, string> = {}): Promise<Tokens> => {
      const body = new URLSearchParams({
        grant_type: "authorization_code",
        client_id: webClient,
        code: new URL(address).searchParams.get("code") ?? "",
        redirect_uri: application,
        code_verifier: verifier,
        ...parameters,
      });
      const response = await fetch(`${issuer}/token`, { method: "POST", body });
      return { ...((await response.json()) as Tokens), status: response.status };
    },
    verify: (token: string, options: JWTVerifyOptions) => {
      const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
      return jwtVerify(token, keys, { issuer, algorithms: ["RS256"], ...options });
    },
  };
}
