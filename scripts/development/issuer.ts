// An OpenID Connect issuer that hands out tokens to anyone who asks on this machine. For development only.
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { type Adapter, errors, Provider, type TokenEndpointGrantContext } from "oidc-provider";
import { developmentClient, developmentGrant } from "./development-grant.ts";
import { freePort, isPortFree } from "./processes.ts";

/** Who the tokens are for. */
export const developmentAudience = "crypto-pocket-butler";

const resource = "urn:crypto-pocket-butler:api";
const tokenLifetimeSecs = 8 * 60 * 60;
const preferredPort = 3080;
const roles = { user: ["user"], administrator: ["user", "administrator"] } as const;

export type IssuerOptions = {
  /** Signing key and port are kept here, so that tokens and users survive a restart. */
  folder: string;
  /** NODE_ENV; production is refused. */
  environment: string | undefined;
  port?: number;
  log?: (line: string) => void;
};

export type DevelopmentIssuer = { issuer: string; audience: string; stop(): Promise<void> };

/** Starts the issuer on 127.0.0.1. */
export async function startIssuer(options: IssuerOptions): Promise<DevelopmentIssuer> {
  if (options.environment === "production") {
    throw new Error(
      "The development issuer gives a token to anyone who asks, so it refuses to run with NODE_ENV=production: " +
        "set OIDC_ISSUER and OIDC_AUDIENCE to a real one",
    );
  }
  await mkdir(options.folder, { recursive: true });
  const [key, port] = await Promise.all([obtainKey(options.folder), obtainPort(options)]);
  const issuer = `http://127.0.0.1:${port}`;
  const provider = createProvider(issuer, key);
  const handle = provider.callback();
  const server = createServer((request, response) => {
    // A page on the web can point a name of its own at 127.0.0.1 (DNS rebinding), but not change this header.
    if (request.headers.host === `127.0.0.1:${port}`) void handle(request, response);
    else response.writeHead(421).end();
  });
  await listen(server, port);
  return {
    issuer,
    audience: developmentAudience,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function createProvider(issuer: string, key: JWK): Provider {
  const api = {
    audience: developmentAudience,
    scope: "",
    accessTokenFormat: "jwt",
    accessTokenTTL: tokenLifetimeSecs,
    jwt: { sign: { alg: "RS256" } },
  } as const;
  const provider = new Provider(issuer, {
    adapter: () => nothingStored,
    jwks: { keys: [key] },
    cookies: { keys: [randomBytes(32).toString("base64url")] },
    clients: [
      {
        client_id: developmentClient,
        token_endpoint_auth_method: "none",
        grant_types: [developmentGrant],
        response_types: [],
        redirect_uris: [],
      },
    ],
    ttl: { AccessToken: tokenLifetimeSecs },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: { enabled: true, getResourceServerInfo: () => api },
    },
    extraTokenClaims: (context) => claimsOf(context.oidc.params as DevelopmentParameters),
  });
  provider.registerGrantType<DevelopmentParameters>(
    developmentGrant,
    async (context) => {
      const { username } = checkParameters(context);
      const token = new provider.AccessToken({
        accountId: username,
        client: context.oidc.client,
        resourceServer: new provider.ResourceServer(resource, api),
        gty: developmentGrant,
        // Nobody was asked for consent, so there is no grant to point at.
        grantId: "",
      });
      const value = await token.save();
      context.body = { access_token: value, token_type: token.tokenType, expires_in: token.expiration };
    },
    ["username", "role"],
  );
  return provider;
}

type DevelopmentParameters = { username?: string; role?: string };

function checkParameters(context: TokenEndpointGrantContext<DevelopmentParameters>): { username: string } {
  const { username, role = "user" } = context.oidc.params;
  if (typeof username !== "string" || !/^[a-z0-9][a-z0-9._-]{0,63}$/.test(username)) {
    throw new errors.InvalidRequest(
      "username must be 1 to 64 of a-z, 0-9, dot, dash and underscore, and start with a letter or digit",
    );
  }
  if (!isRole(role)) throw new errors.InvalidRequest(`role must be ${Object.keys(roles).join(" or ")}`);
  return { username };
}

function claimsOf({ username, role = "user" }: DevelopmentParameters) {
  return {
    email: `${username}@example.test`,
    email_verified: true,
    preferred_username: username,
    realm_access: { roles: isRole(role) ? roles[role] : [] },
  };
}

function isRole(role: string): role is keyof typeof roles {
  return Object.hasOwn(roles, role);
}

/** Signed tokens say everything themselves, so there is nothing to store or to look up. */
const nothingStored: Adapter = {
  upsert: async () => undefined,
  find: async () => undefined,
  findByUserCode: async () => undefined,
  findByUid: async () => undefined,
  consume: async () => undefined,
  destroy: async () => undefined,
  revokeByGrantId: async () => undefined,
};

async function obtainKey(folder: string): Promise<JWK> {
  const file = join(folder, "signing-key.json");
  const kept = await readFile(file, "utf8").catch(() => undefined);
  if (kept !== undefined) return JSON.parse(kept) as JWK;
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const kid = randomBytes(8).toString("base64url");
  const key = { ...(await exportJWK(privateKey)), kid, alg: "RS256", use: "sig" };
  await writeFile(file, JSON.stringify(key), { mode: 0o600 });
  return key;
}

/** Users are known by the issuer's address, so it keeps its port. */
async function obtainPort(options: IssuerOptions): Promise<number> {
  if (options.port !== undefined) return options.port;
  const file = join(options.folder, "port");
  const kept = Number.parseInt(await readFile(file, "utf8").catch(() => ""), 10);
  if (Number.isInteger(kept)) {
    if (await isPortFree(kept)) return kept;
    options.log?.(
      `port ${kept} of the development issuer is taken, so it uses another this time: users are strangers there`,
    );
    return freePort();
  }
  const port = (await isPortFree(preferredPort)) ? preferredPort : await freePort();
  await writeFile(file, String(port));
  return port;
}

async function listen(server: Server, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(port, "127.0.0.1", resolve);
  await promise;
}
