import { createHmac, createPublicKey, type JsonWebKey } from "node:crypto";
import { generateKeyPair, SignJWT } from "jose";
import { AUDIENCE, type TestIssuer } from "../support/issuer.ts";

/** What tokens are made by. */
export interface TokenMaker {
  /** Trusted. */
  readonly issuer: TestIssuer;
  /** Not trusted. */
  readonly other: TestIssuer;
  /** A good token of the trusted issuer, but for these claims and header parameters. */
  good(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
  /** A good token whose parts are replaced, the signature left as it was. */
  patched(header: unknown, payload?: unknown): Promise<string>;
}

export function tokenMaker(issuer: TestIssuer, other: TestIssuer): TokenMaker {
  const good: TokenMaker["good"] = (claims = {}, header = {}) => issuer.token("alice", { claims, header });
  return {
    issuer,
    other,
    good,
    async patched(header, payload) {
      const [oldHeader, oldPayload, signature] = (await good()).split(".");
      const newHeader = header === undefined ? oldHeader : encode(header);
      const newPayload = payload === undefined ? oldPayload : encode(payload);
      return `${newHeader}.${newPayload}.${signature}`;
    },
  };
}

/** In seconds since 1970. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}

/** Keycloak's access tokens have this header, and `typ: "Bearer"` among their claims. */
export const KEYCLOAK_HEADER = { typ: "JWT" };

/** Every way in which a token is bad, by its name; each token is bad in this one way. */
export const badTokens: Readonly<Record<string, (by: TokenMaker) => string | Promise<string>>> = {
  "an ID token": (by) => by.good({}, { typ: "JWT" }),
  "an ID token as Keycloak types it": (by) => by.good({ typ: "ID" }, KEYCLOAK_HEADER),
  "a refresh token": (by) => by.good({ typ: "Refresh" }, KEYCLOAK_HEADER),
  "an offline token": (by) => by.good({ typ: "Offline" }, KEYCLOAK_HEADER),
  "a logout token": (by) => by.good({ typ: "Logout" }, { typ: "logout+jwt" }),
  "a logout token as Keycloak types it": (by) => by.good({ typ: "Logout" }, KEYCLOAK_HEADER),
  "a token without type": (by) => by.good({}, { typ: undefined }),
  "a type that is no text": (by) => by.good({}, { typ: 5 }),
  "no algorithm": (by) => by.patched({ alg: "none", typ: "at+jwt" }),
  "no algorithm, spelled otherwise": (by) => by.patched({ alg: "nOnE", typ: "at+jwt" }),
  "no algorithm and no signature": async (by) =>
    `${encode({ alg: "none" })}.${(await by.good()).split(".")[1]}.`,
  "an HMAC with the public key": signedWithPublicKey,
  "another key of the same kind": (by) => signedByAnother(by, "RS256"),
  "another key of another kind": (by) => signedByAnother(by, "ES256"),
  "an algorithm that is not asked for": (by) => by.patched({ alg: "PS256", typ: "at+jwt", kid: "test-key" }),
  "an unknown key": (by) => by.good({}, { kid: "other-key" }),
  "a claim changed behind the signature": async (by) => {
    const claims = { iss: by.issuer.url, aud: AUDIENCE, sub: "root", iat: now(), exp: now() + 3600 };
    return by.patched(undefined, claims);
  },
  "an issuer that is not trusted": (by) => by.other.token("alice"),
  "an issuer that is not trusted, under a trusted name": (by) =>
    by.other.token("alice", { claims: { iss: by.issuer.url } }),
  "an issuer with a slash more": (by) => by.good({ iss: `${by.issuer.url}/` }),
  "no issuer": (by) => by.good({ iss: undefined }),
  "a list of issuers": (by) => by.good({ iss: [by.issuer.url] as never }),
  "another audience": (by) => by.good({ aud: "other" }),
  "an audience that only begins so": (by) => by.good({ aud: `${AUDIENCE}-2` }),
  "a list of other audiences": (by) => by.good({ aud: ["other", "account"] }),
  "no audience": (by) => by.good({ aud: undefined }),
  "no subject": (by) => by.good({ sub: undefined }),
  "an empty subject": (by) => by.good({ sub: "" }),
  "a subject that is a number": (by) => by.good({ sub: 5 as never }),
  "a subject of 256 characters": (by) => by.good({ sub: "s".repeat(256) }),
  "a subject that cannot be stored": (by) => by.good({ sub: "a\0b" }),
  "no end": (by) => by.good({ exp: undefined }),
  "no time of issue": (by) => by.good({ iat: undefined }),
  "an end that is text": (by) => by.good({ exp: `${now() + 3600}` as never }),
  "an end that is no whole number": (by) => by.good({ exp: now() + 3600.5 }),
  "an end beyond all numbers": (by) => by.good({ exp: 1e300 }),
  "an end long ago": (by) => by.good({ iat: now() - 7200, exp: now() - 3600 }),
  "an end just beyond the leeway": (by) => by.good({ iat: now() - 100, exp: now() - 31 }),
  "a start in the future": (by) => by.good({ nbf: now() + 60 }),
  "a start that is text": (by) => by.good({ nbf: "now" as never }),
  "an issue in the future": (by) => by.good({ iat: now() + 60, exp: now() + 3600 }),
  "a life of more than a day": (by) => by.good({ exp: now() + 86_401 + 30 }),
  "an end before its issue": (by) => by.good({ iat: now() + 10, exp: now() + 5 - 60 }),
  "critical extensions": (by) =>
    by.patched({ alg: "RS256", typ: "at+jwt", kid: "test-key", crit: ["exp"], exp: 1 }),
  "an unencoded payload": (by) => by.patched({ alg: "RS256", typ: "at+jwt", kid: "test-key", b64: false }),
  "a key of its own": (by) => by.good({}, { jwk: { kty: "oct", k: "AAAA" } as never }),
  "the address of a key": (by) => by.good({}, { jku: "https://evil.example/jwks" }),
  "the address of a certificate": (by) => by.good({}, { x5u: "https://evil.example/cert" }),
  "a packed payload": (by) => by.good({}, { zip: "DEF" }),
  "a payload that is a list": (by) => by.patched(undefined, []),
  "a payload that is text": (by) => by.patched(undefined, '"alice"'),
  "a payload that is null": (by) => by.patched(undefined, "null"),
  "a payload that is no JSON": (by) => by.patched(undefined, "{sub}"),
  "a header that is a list": (by) => by.patched([]),
  "a header that is no JSON": (by) => by.patched("{alg}"),
  "an algorithm that is a list": (by) => by.patched({ alg: ["RS256"], typ: "at+jwt" }),
  "a JWE": () => `${encode({ alg: "RSA-OAEP", enc: "A256GCM" })}.AAAA.AAAA.AAAA.AAAA`,
  "one part": async (by) => (await by.good()).split(".")[0] as string,
  "two parts": async (by) => (await by.good()).split(".").slice(0, 2).join("."),
  "four parts": async (by) => `${await by.good()}.AAAA`,
  "an empty text": () => "",
  "three empty parts": () => "..",
  padding: async (by) => `${await by.good()}=`,
  "padding inside": async (by) => (await by.good()).replace(".", "=."),
  "a blank at the end": async (by) => `${await by.good()} `,
  "a line break at the end": async (by) => `${await by.good()}\n`,
  "a blank inside": async (by) => (await by.good()).replace(".", ". "),
  "the alphabet of base64": async (by) =>
    (await by.good()).replaceAll("-", "+").replaceAll("_", "/").replace(/$/, "+"),
  "another spelling of the signature": async (by) => respelled(await by.good()),
  "a signature with more behind it": async (by) => `${await by.good()}AAAA`,
  "a signature that is cut": async (by) => (await by.good()).slice(0, -4),
};

function encode(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

/** Signed by a key that is not the issuer's, but goes by the same id. */
async function signedByAnother({ issuer }: TokenMaker, alg: "RS256" | "ES256"): Promise<string> {
  const { privateKey } = await generateKeyPair(alg);
  return new SignJWT({ iss: issuer.url, aud: AUDIENCE, sub: "alice", iat: now(), exp: now() + 3600 })
    .setProtectedHeader({ alg, typ: "at+jwt", kid: "test-key" })
    .sign(privateKey);
}

/** HMAC with the public key as the secret (RFC 8725 §2.1). */
async function signedWithPublicKey({ issuer, good }: TokenMaker): Promise<string> {
  const { keys } = (await (await fetch(`${issuer.url}/jwks`)).json()) as { keys: JsonWebKey[] };
  const key = createPublicKey({ key: keys[0] as JsonWebKey, format: "jwk" });
  const secret = key.export({ type: "spki", format: "pem" });
  const text = `${encode({ alg: "HS256", typ: "at+jwt", kid: "test-key" })}.${(await good()).split(".")[1]}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

/** The last character's unused bits set otherwise (RFC 4648 §3.5): the same signature, another spelling. */
export function respelled(token: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1) as string) ^ 1];
}
