import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ALGORITHMS } from "../../../services/auth/algorithms.ts";
import { parseCompactJws, TokenRefused } from "../../../services/auth/compact-jws.ts";
import { encode } from "./tokens.ts";

const parse = (token: string) => parseCompactJws(token, ["RS256", "ES256"]);
const HEADER = '{"alg":"RS256","kid":"k","typ":"at+jwt"}';
const compact = (header = HEADER, payload = '{"sub":"ada"}', signature = "AAAA") =>
  `${encode(header)}.${encode(payload)}.${signature}`;

describe("parseCompactJws", () => {
  it("reads header and payload", () => {
    expect(parse(compact())).toEqual({
      token: compact(),
      algorithm: "RS256",
      keyId: "k",
      type: "at+jwt",
      payload: { sub: "ada" },
    });
  });

  it.each([
    ["AT+JWT", "at+jwt"],
    ["application/at+jwt", "at+jwt"],
    ["application/application/jwt", "application/jwt"],
    ["", ""],
  ])("reads the type %j as %j", (typ, type) => {
    expect(parse(compact(JSON.stringify({ alg: "ES256", typ }))).type).toBe(type);
  });

  const [header, payload] = compact().split(".") as [string, string];

  it.each([
    ["", "not a compact JWS"],
    ["..", "not a compact JWS"],
    [`${header}.${payload}`, "not a compact JWS"],
    [`${header}.${payload}.`, "not a compact JWS"],
    [`${header}..AAAA`, "not a compact JWS"],
    [`${compact()}.AAAA`, "not a compact JWS"],
    [`${compact()}.AAAA.AAAA`, "not a compact JWS"],
    [` ${compact()}`, "not a compact JWS"],
    [`${compact()}\n`, "not a compact JWS"],
    [`${header}=.${payload}.AAAA`, "not a compact JWS"],
    [`${header}.${payload}.AA==`, "not a compact JWS"],
    [`${header}.${payload}.AA+A`, "not a compact JWS"],
    [`${header}.${payload}.AA/A`, "not a compact JWS"],
    [`${header}.${payload}.AAAÄ`, "not a compact JWS"],
    [`${header}.${payload}.A`, "not canonical base64url"],
    [`${header}.${payload}.AAAAA`, "not canonical base64url"],
    [`${header}.${payload}.AB`, "not canonical base64url"],
    [`${header}.${payload}.AAB`, "not canonical base64url"],
    [`${header}.${payload}.${"A".repeat(8192)}`, "longer than a token may be"],
    [compact("null"), "header: not a JSON object"],
    [compact("[]"), "header: not a JSON object"],
    [compact('{"alg":"RS256"'), "header: not JSON"],
    [compact('{"alg":"RS256","alg":"RS256"}'), "header: a member is there twice"],
    [compact('{"alg":"RS256","__proto__":{}}'), "header: a member is named __proto__"],
    [compact(HEADER, "[]"), "payload: not a JSON object"],
    [compact(HEADER, '"ada"'), "payload: not a JSON object"],
    [compact(HEADER, '{"sub":"ada","sub":"eve"}'), "payload: a member is there twice"],
    [compact('{"alg":"none"}'), "its algorithm is not allowed"],
    [compact('{"alg":"HS256"}'), "its algorithm is not allowed"],
    [compact('{"alg":"PS256"}'), "its algorithm is not allowed"],
    [compact('{"alg":"rs256"}'), "its algorithm is not allowed"],
    [compact('{"alg":"RS256 "}'), "its algorithm is not allowed"],
    [compact("{}"), "header parameter alg is missing or malformed"],
    [compact('{"alg":["RS256"]}'), "header parameter alg is missing or malformed"],
    [compact('{"alg":"RS256","kid":1}'), "header parameter kid is missing or malformed"],
    [compact('{"alg":"RS256","kid":""}'), "header parameter kid is missing or malformed"],
    [compact('{"alg":"RS256","kid":null}'), "header parameter kid is missing or malformed"],
    [
      compact(JSON.stringify({ alg: "RS256", kid: "k".repeat(256) })),
      "header parameter kid is missing or malformed",
    ],
    [compact('{"alg":"RS256","typ":["JWT"]}'), "header parameter typ is missing or malformed"],
  ])("refuses %s", (token, reason) => {
    expect(() => parse(token)).toThrow(new TokenRefused(reason));
  });

  it.each(["crit", "b64", "jku", "jwk", "x5u", "x5c", "zip"])("refuses the header parameter %s", (name) => {
    const token = compact(JSON.stringify({ alg: "RS256", [name]: null }));
    expect(() => parse(token)).toThrow(new TokenRefused(`header parameter ${name} is not accepted`));
  });

  it("takes 8 KiB and not a byte more", () => {
    const rest = 8192 - `${header}.${payload}.`.length;
    // A length of 4n + 1 is none that base64url has.
    const signature = "A".repeat(rest % 4 === 1 ? rest - 1 : rest);
    expect(parse(`${header}.${payload}.${signature}`).algorithm).toBe("RS256");
    expect(() => parse(`${header}.${payload}.${"A".repeat(rest + 1)}`)).toThrow("longer than a token may be");
  });

  it("takes exactly the canonical spelling of any bytes", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\w-]{1,12}$/), (signature) => {
        const isCanonical = Buffer.from(signature, "base64url").toString("base64url") === signature;
        const attempt = () => parse(compact(HEADER, "{}", signature));
        if (isCanonical) expect(attempt().payload).toEqual({});
        else expect(attempt).toThrow(TokenRefused);
      }),
      { numRuns: 2_000 },
    );
  });

  it("answers any text with a TokenRefused or with what it says", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 200 }),
      fc
        .tuple(fc.json(), fc.json(), fc.base64String())
        .map(([first, second, third]) => compact(first, second, third)),
    );
    fc.assert(
      fc.property(text, (token) => {
        try {
          expect(parseCompactJws(token, ALGORITHMS).token).toBe(token);
        } catch (error) {
          expect(error).toBeInstanceOf(TokenRefused);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
