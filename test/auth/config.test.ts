import { describe, expect, it } from "@jest/globals";
import { readAuthConfig } from "../../services/auth/config.ts";
import { ConfigurationError } from "../../services/common/config.ts";

const ISSUER = { OIDC_ISSUER: "https://issuer.example", OIDC_AUDIENCE: "butler" };

function issuersOf(environment: Readonly<Record<string, string>>) {
  return readAuthConfig(environment).issuers.map(({ issuer, audience }) => ({ issuer, audience }));
}

describe("readAuthConfig", () => {
  it("takes an issuer and an audience, as they are written", () => {
    expect(issuersOf(ISSUER)).toEqual([{ issuer: "https://issuer.example", audience: "butler" }]);
    expect(issuersOf({ ...ISSUER, OIDC_ISSUER: "https://issuer.example/realms/A/" })).toEqual([
      { issuer: "https://issuer.example/realms/A/", audience: "butler" },
    ]);
  });

  it("takes a list of issuers", () => {
    expect(issuersOf({ ...ISSUER, OIDC_ISSUER: "https://one.example , https://two.example/x" })).toEqual([
      { issuer: "https://one.example", audience: "butler" },
      { issuer: "https://two.example/x", audience: "butler" },
    ]);
  });

  it("takes Keycloak's variables, with the original's defaults", () => {
    const KEYCLOAK_SERVER = "https://sso.example";
    expect(issuersOf({ KEYCLOAK_SERVER })).toEqual([
      { issuer: "https://sso.example/realms/myrealm", audience: "account" },
    ]);
    const named = {
      KEYCLOAK_SERVER: "https://sso.example/auth/",
      KEYCLOAK_REALM: "my realm",
      KEYCLOAK_AUDIENCE: "api",
    };
    expect(issuersOf(named)).toEqual([
      { issuer: "https://sso.example/auth/realms/my%20realm", audience: "api" },
    ]);
  });

  it("prefers OIDC_ISSUER to Keycloak's variables", () => {
    expect(issuersOf({ ...ISSUER, KEYCLOAK_SERVER: "https://sso.example" })).toEqual([
      { issuer: "https://issuer.example", audience: "butler" },
    ]);
  });

  it.each([
    "http://127.0.0.1:8080",
    "http://127.8.9.1/realms/a",
    "http://localhost:8080",
    "http://[::1]:8080",
  ])("takes http on loopback: %s", (issuer) => {
    expect(issuersOf({ ...ISSUER, OIDC_ISSUER: issuer })).toHaveLength(1);
    expect(issuersOf({ KEYCLOAK_SERVER: issuer })).toHaveLength(1);
  });

  it.each([
    "http://issuer.example",
    "http://10.0.0.1",
    "http://127.0.0.1.evil.example",
    "http://localhost.evil.example",
    "http://127.1.evil",
    "http://user@evil.example",
  ])("refuses http elsewhere: %s", (issuer) => {
    expect(() => readAuthConfig({ ...ISSUER, OIDC_ISSUER: issuer })).toThrow(ConfigurationError);
    expect(() => readAuthConfig({ ...ISSUER, OIDC_ISSUER: issuer })).toThrow(/OIDC_ISSUER.*https/s);
    expect(() => readAuthConfig({ KEYCLOAK_SERVER: issuer })).toThrow(/KEYCLOAK_SERVER.*https/s);
  });

  it.each([
    [{}, "OIDC_ISSUER"],
    [{}, "KEYCLOAK_SERVER"],
    [{ OIDC_ISSUER: "https://issuer.example" }, "OIDC_AUDIENCE"],
    [{ ...ISSUER, OIDC_AUDIENCE: "" }, "OIDC_AUDIENCE"],
    [{ ...ISSUER, OIDC_ISSUER: "issuer.example" }, "OIDC_ISSUER"],
    [{ ...ISSUER, OIDC_ISSUER: "ftp://issuer.example" }, "OIDC_ISSUER"],
    [{ ...ISSUER, OIDC_ISSUER: "https://one.example,,https://two.example" }, "OIDC_ISSUER"],
    [{ ...ISSUER, OIDC_ISSUER: Array(21).fill("https://a.example").join() }, "OIDC_ISSUER"],
    [{ ...ISSUER, TOKEN_MAX_LIFETIME_SECS: "0" }, "TOKEN_MAX_LIFETIME_SECS"],
    [{ ...ISSUER, TOKEN_MAX_LIFETIME_SECS: "1 day" }, "TOKEN_MAX_LIFETIME_SECS"],
    [{ KEYCLOAK_SERVER: "sso.example" }, "KEYCLOAK_SERVER"],
  ])("refuses %j, naming %s", (environment, name) => {
    expect(() => readAuthConfig(environment)).toThrow(ConfigurationError);
    expect(() => readAuthConfig(environment)).toThrow(new RegExp(`\\b${name}\\b`));
  });

  it("reads the longest life of a token", () => {
    expect(readAuthConfig(ISSUER).maxTokenLifetimeSeconds).toBe(86_400);
    expect(readAuthConfig({ ...ISSUER, TOKEN_MAX_LIFETIME_SECS: "600" }).maxTokenLifetimeSeconds).toBe(600);
  });
});
