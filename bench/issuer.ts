import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { seededUser } from "./seed.ts";

export const AUDIENCE = "crypto-pocket-butler";
const KEY_ID = "bench-1";
const TOKEN_LIFETIME = "2h";
/** How many tokens are signed at once: enough to keep the thread pool busy. */
const MINT_BATCH_SIZE = 100;

/** A caller of the systems: a seeded user and an access token of theirs. */
export interface Caller {
  readonly userNumber: number;
  readonly token: string;
}

export interface Issuer {
  readonly url: string;
  /** Mints one access token (RS256, RFC 9068) for each of the users `from` … `from + count - 1`. */
  mint(from: number, count: number, onProgress: (minted: number) => void): Promise<Caller[]>;
  stop(): Promise<void>;
}

/** A token issuer, as small as one can be: OIDC discovery, a key set of one RSA key of 2048 bits, and minting. */
export async function startIssuer(): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair("RS256", { modulusLength: 2048 });
  const key = { ...(await exportJWK(publicKey)), kid: KEY_ID, alg: "RS256", use: "sig" };
  let url = "";
  const server = createServer((request, response) => {
    const documents: Record<string, unknown> = {
      "/.well-known/openid-configuration": { issuer: url, jwks_uri: `${url}/jwks` },
      "/jwks": { keys: [key] },
    };
    const document = documents[request.url ?? ""];
    response.writeHead(document ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(document ?? {}));
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  function token(userNumber: number): Promise<string> {
    const { subject, email, preferredUsername } = seededUser(userNumber);
    const claims = { email, email_verified: true, preferred_username: preferredUsername, client_id: "bench" };
    return new SignJWT(claims)
      .setProtectedHeader({ alg: "RS256", typ: "at+jwt", kid: KEY_ID })
      .setIssuer(url)
      .setAudience(AUDIENCE)
      .setSubject(subject)
      .setJti(`bench-${userNumber}`)
      .setIssuedAt()
      .setExpirationTime(TOKEN_LIFETIME)
      .sign(privateKey);
  }

  return {
    url,
    async mint(from, count, onProgress) {
      const callers: Caller[] = [];
      while (callers.length < count) {
        const size = Math.min(MINT_BATCH_SIZE, count - callers.length);
        const users = Array.from({ length: size }, (_, index) => from + callers.length + index);
        callers.push(
          ...(await Promise.all(
            users.map(async (userNumber) => ({ userNumber, token: await token(userNumber) })),
          )),
        );
        onProgress(callers.length);
      }
      return callers;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
