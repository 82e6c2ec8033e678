import fc from "fast-check";
import { ALGORITHMS } from "../../../../services/auth/algorithms.ts";
import { encode, type Members, signText } from "../tokens.ts";
import { attacker, attackersKeys, decoded, type Forgery, type Original, partsOf } from "./original.ts";

/** The header says something else; the signature is kept, or is somebody else's. */
export function withOtherHeader(original: Original): Forgery {
  const [head, payload, signature] = partsOf(original.token);
  const member = fc.oneof(
    fc.tuple(
      fc.constant("alg"),
      fc.constantFrom(...ALGORITHMS, "none", "None", "", "HS256", "RS512", "ES384", null, 1),
    ),
    fc.tuple(
      fc.constant("kid"),
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.constantFrom(...ALGORITHMS, "../../dev/null", "' or 1=1 --", null, 1),
      ),
    ),
    fc.tuple(fc.constant("typ"), fc.constantFrom("JWT", "at+jwt", "logout+jwt", "", null)),
    fc.tuple(
      fc.constantFrom("crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "cty", "__proto__"),
      fc.jsonValue(),
    ),
    fc.constant(["jwk", attackersKeys.ES256.jwk] as const),
    fc.constant(["crit", ["b64"]] as const),
  );
  return fc.tuple(member, attacker, fc.boolean()).map(([[name, value], by, isResigned]) => {
    const header = JSON.stringify({ ...decoded(head), [name]: value });
    return isResigned
      ? signText(by, header, Buffer.from(payload, "base64url"))
      : `${encode(header)}.${payload}.${signature}`;
  });
}

/** The claims say something else; the signature is kept, or is somebody else's. */
export function withOtherClaims(original: Original): Forgery {
  const [head, payload, signature] = partsOf(original.token);
  const names = [
    "iss",
    "aud",
    "sub",
    "exp",
    "iat",
    "nbf",
    "jti",
    "sid",
    "azp",
    "typ",
    "realm_access",
    "email",
  ];
  const edit = fc.tuple(
    fc.constantFrom(...names),
    fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom("administrator", 4_102_444_800, 0, -1)),
  );
  return fc.tuple(edit, attacker, fc.boolean()).map(([[name, value], by, isResigned]) => {
    const claims = JSON.stringify({ ...decoded(payload), [name]: value });
    return isResigned
      ? signText(by, JSON.stringify({ ...decoded(head), alg: by.algorithm }), claims)
      : `${head}.${encode(claims)}.${signature}`;
  });
}

/** The issuer's own signature under JSON that can be read in two ways. */
export function ambiguous({ token, key }: Original): Forgery {
  const texts = partsOf(token)
    .slice(0, 2)
    .map((part) => Buffer.from(part, "base64url").toString());
  const [header, claims] = texts as [string, string];
  const spoil = fc.constantFrom<(text: string, name: string) => string>(
    (text, name) => text.replace("{", `{"${name}":"eve",`),
    (text, name) => text.replace(/\}$/, `,"${name}":"eve"}`),
    (text, name) => text.replace("{", `{"\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}":"eve",`),
    (text) => text.replace("{", '{"__proto__":{"sub":"eve"},'),
    (text) => text.replace("{", '{"a":{"b":1,"b":2},'),
    (text) => text.replace("{", `{"a":${"[".repeat(20)}${"]".repeat(20)},`),
    (text) => `\uFEFF${text}`,
    (text) => `[${text}]`,
    (text) => text.slice(0, -1),
    (text) => `${text},`,
    (text) => text.replaceAll('"', "'"),
  );
  return fc
    .tuple(spoil, fc.boolean())
    .map(([change, inHeader]) =>
      inHeader ? signText(key, change(header, "alg"), claims) : signText(key, header, change(claims, "sub")),
    );
}

/** The issuer's own signature under what is no access token for us. */
export function unacceptable({ token, key }: Original): Forgery {
  const [head, payload] = partsOf(token)
    .slice(0, 2)
    .map((part) => decoded(part as string)) as [Members, Members];
  const { iat } = payload as { iat: number };
  const claims = fc.constantFrom<Members>(
    { exp: iat - 60, iat: iat - 120 },
    { exp: undefined },
    { exp: iat + 10 * 365 * 86_400 },
    { exp: `${iat + 60}` },
    { iat: undefined },
    { iat: iat + 3_600, exp: iat + 7_200 },
    { nbf: iat + 3_600 },
    { aud: "account" },
    { aud: undefined },
    { aud: [] },
    { iss: "https://other.example" },
    { sub: undefined },
    { sub: "" },
    { sub: { $ne: null } },
    { sid: 1 },
    { jti: [] },
    { typ: "ID" },
    { typ: "Refresh" },
    { typ: "Offline" },
    { typ: "Logout" },
    { cnf: { jkt: "thumbprint" } },
  );
  const headers = fc.constantFrom<Members>(
    { typ: undefined },
    { typ: "logout+jwt" },
    { typ: "JWT+at" },
    { kid: "other" },
    { alg: "none" },
    { crit: ["exp"], exp: 1 },
    { b64: true, crit: ["b64"] },
    { jwk: key.jwk },
    { zip: "DEF" },
  );
  return fc.oneof(
    claims.map((change) => signText(key, JSON.stringify(head), JSON.stringify({ ...payload, ...change }))),
    headers.map((change) => signText(key, JSON.stringify({ ...head, ...change }), JSON.stringify(payload))),
  );
}
