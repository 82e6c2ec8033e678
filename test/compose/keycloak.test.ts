import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { type CryptoKey, generateKeyPair, SignJWT } from "jose";
import { accessTokenVerifier } from "../../services/auth/access-token.ts";
import { readAuthConfig } from "../../services/auth/config.ts";
import { auth } from "../../services/auth/contract.ts";
import { ROOT } from "../k8s/support/code.ts";
import { networksOf, service } from "./compose-file.ts";

interface Client {
  readonly clientId: string;
  readonly publicClient: boolean;
  readonly secret?: string;
  readonly standardFlowEnabled: boolean;
  readonly implicitFlowEnabled: boolean;
  readonly directAccessGrantsEnabled: boolean;
  readonly redirectUris?: readonly string[];
  readonly attributes?: Readonly<Record<string, string>>;
  readonly protocolMappers: readonly {
    readonly protocolMapper: string;
    readonly config: Readonly<Record<string, string>>;
  }[];
}
interface User {
  readonly username: string;
  readonly email: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly realmRoles: readonly string[];
}
interface Realm {
  readonly realm: string;
  readonly accessTokenLifespan: number;
  readonly roles: { readonly realm: readonly { readonly name: string }[] };
  readonly clients: readonly Client[];
  readonly clientScopes?: unknown;
  readonly scopeMappings: readonly { readonly client: string; readonly roles: readonly string[] }[];
  readonly users: readonly User[];
}

const realm = JSON.parse(readFileSync(join(ROOT, "deploy/keycloak/butler-realm.json"), "utf8")) as Realm;
const config = readAuthConfig(service("auth").environment ?? {});
const [issuer] = config.issuers as [{ issuer: string; audience: string }];

function client(clientId: string): Client {
  const found = realm.clients.find((each) => each.clientId === clientId);
  if (!found) throw new Error(`The realm has no client ${clientId}`);
  return found;
}

/**
 * The claims of an access token as Keycloak 26.7.4 made them for a client and a user of this realm: the audience of the
 * client's mappers, the roles that its scope lets through, `sub` and `sid` of the scopes that it has unless told otherwise.
 */
function claimsFor({ clientId, protocolMappers }: Client, user: User) {
  const audiences = protocolMappers
    .filter(({ protocolMapper, config: { "access.token.claim": inAccessToken } }) => {
      return protocolMapper === "oidc-audience-mapper" && inAccessToken === "true";
    })
    .map(({ config: mapper }) => mapper["included.custom.audience"] as string);
  const allowed = realm.scopeMappings.find((mapping) => mapping.client === clientId)?.roles ?? [];
  const now = Math.floor(Date.now() / 1000);
  return {
    exp: now + realm.accessTokenLifespan,
    iat: now,
    jti: "onrtro:74b24cf7-d63f-f946-0d9a-0f464b7b8760",
    iss: issuer.issuer,
    ...(audiences.length > 0 && { aud: audiences.length === 1 ? audiences[0] : audiences }),
    sub: "2b590d25-246d-4631-a9d1-50731f993178",
    typ: "Bearer",
    azp: clientId,
    sid: "4EJtdyC8shr59XBvJsRknDE-",
    acr: "1",
    realm_access: { roles: user.realmRoles.filter((role) => allowed.includes(role)) },
    scope: "openid profile email",
    email_verified: true,
    name: `${user.firstName} ${user.lastName}`,
    preferred_username: user.username,
    given_name: user.firstName,
    family_name: user.lastName,
    email: user.email,
  };
}

describe("compose's Keycloak realm", () => {
  let privateKey: CryptoKey;
  let verify: ReturnType<typeof accessTokenVerifier>;

  beforeAll(async () => {
    const pair = await generateKeyPair("RS256");
    privateKey = pair.privateKey;
    const keys = { find: async () => [pair.publicKey] };
    verify = accessTokenVerifier({
      ...config,
      issuers: [{ ...issuer, keys }],
      maxLifetimeSeconds: config.maxTokenLifetimeSeconds,
    });
  });

  /** Keycloak's own header. */
  function sign(claims: object): Promise<string> {
    const header = { alg: "RS256", typ: "JWT", kid: "ARzFgaHe5OUQT-4luvix2-yzJ-7hbJNwoIwyTBq1qbY" };
    return new SignJWT({ ...claims }).setProtectedHeader(header).sign(privateKey);
  }

  it.each(
    realm.clients.flatMap(({ clientId }) => realm.users.map(({ username }) => [clientId, username] as const)),
  )("gives %s tokens for %s that auth takes, with the user's roles", async (clientId, username) => {
    const user = realm.users.find((each) => each.username === username) as User;
    const token = await verify(await sign(claimsFor(client(clientId), user)));
    expect(token).toMatchObject({ issuer: issuer.issuer, preferred_username: username, email: user.email });
    expect(token.sessionId).toBeDefined();
    expect(token.roles).toEqual(user.realmRoles);
  });

  it("needs its audience mapper: without it, or for another API, a token is refused", async () => {
    const [user] = realm.users as [User];
    const { aud: _, ...claims } = claimsFor(client("development"), user);
    await expect(verify(await sign(claims))).rejects.toThrow("not meant for us");
    await expect(verify(await sign({ ...claims, aud: "account" }))).rejects.toThrow("not meant for us");
  });

  it("is the realm that auth trusts, by the name that browsers and auth both reach it at", () => {
    const { environment = {}, networks, ports = [] } = service("keycloak");
    expect(issuer.issuer).toBe(`${environment.KC_HOSTNAME}/realms/${realm.realm}`);
    const { hostname, port, protocol } = new URL(issuer.issuer);
    expect(protocol).toBe("https:");
    expect(networks).toMatchObject({ issuer: { aliases: [hostname] } });
    expect(ports).toEqual([`127.0.0.1:${port}:${port}`]);
    expect(networksOf(service("auth"))).toContain("issuer");
  });

  it("has the roles, two users with them, and a public client with PKCE that tells auth of sign-outs", () => {
    expect(realm.roles.realm.map(({ name }) => name)).toEqual(["user", "administrator"]);
    expect(realm.users.map(({ realmRoles }) => realmRoles)).toEqual([["user"], ["user", "administrator"]]);
    const web = client(config.clientId as string);
    expect(web).toMatchObject({
      publicClient: true,
      standardFlowEnabled: true,
      implicitFlowEnabled: false,
      directAccessGrantsEnabled: false,
      attributes: { "pkce.code.challenge.method": "S256" },
    });
    // The gateway is known by this name where Keycloak is.
    expect(web.attributes?.["backchannel.logout.url"]).toBe("http://gateway:3000/oidc/backchannel-logout");
    expect(
      networksOf(service("keycloak")).filter((network) => networksOf(service("gateway")).includes(network)),
    ).not.toEqual([]);
    expect(JSON.stringify(auth.actions)).toContain("/oidc/backchannel-logout");
  });

  it("has no secrets, no wildcard addresses, and leaves Keycloak's own scopes as they are, which `sub` comes from", () => {
    expect(realm.clients.filter(({ secret, publicClient }) => secret !== undefined || !publicClient)).toEqual(
      [],
    );
    const addresses = realm.clients.flatMap(({ redirectUris = [] }) => redirectUris);
    expect(addresses.filter((address) => !/^http:\/\/localhost:\d+\/\*$/.test(address))).toEqual([]);
    expect(realm.clientScopes).toBeUndefined();
  });
});
