// An OpenID Connect issuer that hands out tokens to anyone who asks on this machine. For development only.
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { developmentAudience } from "./issuer-api.ts";
import { createProvider } from "./issuer-provider.ts";
import { freePort, isPortFree } from "./processes.ts";

const preferredPort = 3080;

export type IssuerOptions = {
  /** Signing key and port are kept here, so that tokens and users survive a restart. */
  folder: string;
  /** NODE_ENV; production is refused. */
  environment: string | undefined;
  /** Where the API is: it hears of sign-outs at POST /oidc/backchannel-logout. */
  apiUrl: string;
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
  const provider = await createProvider({
    issuer,
    key,
    apiUrl: options.apiUrl,
    log: options.log ?? (() => {}),
  });
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
