import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { seededUser } from "./seed.ts";

export const AUDIENCE = "crypto-pocket-butler";
/** What tokens are signed with: the two algorithms that are accepted unless set otherwise. */
export type TokenAlgorithm = "RS256" | "ES256";
/** The id of each algorithm's one key. */
export const KEY_IDS: Readonly<Record<TokenAlgorithm, string>> = { RS256: "bench-rsa", ES256: "bench-ec" };
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
  /** Mints one access token (RFC 9068) for each of the users `from` … `from + count - 1`. */
  mint(
    algorithm: TokenAlgorithm,
    from: number,
    count: number,
    onProgress: (minted: number) => void,
  ): Promise<Caller[]>;
  stop(): Promise<void>;
}

/** A token issuer, as small as one can be: OIDC discovery, a key set of one RSA key of 2048 bits and one on P-256, and minting. */
export async function startIssuer(): Promise<Issuer> {
  const pairs = {
    RS256: await generateKeyPair("RS256", { modulusLength: 2048 }),
    ES256: await generateKeyPair("ES256"),
  };
  const keys = await Promise.all(
    (["RS256", "ES256"] as const).map(async (alg) => {
      return { ...(await exportJWK(pairs[alg].publicKey)), kid: KEY_IDS[alg], alg, use: "sig" };
    }),
  );
  let url = "";
  const server = createServer((request, response) => {
    const documents: Record<string, unknown> = {
      "/.well-known/openid-configuration": { issuer: url, jwks_uri: `${url}/jwks` },
      "/jwks": { keys },
    };
    const document = documents[request.url ?? ""];
    response.writeHead(document ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(document ?? {}));
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  function token(alg: TokenAlgorithm, userNumber: number): Promise<string> {
    const { subject, email, preferredUsername } = seededUser(userNumber);
    const claims = { email, email_verified: true, preferred_username: preferredUsername, client_id: "bench" };
    return new SignJWT(claims)
      .setProtectedHeader({ alg, typ: "at+jwt", kid: KEY_IDS[alg] })
      .setIssuer(url)
      .setAudience(AUDIENCE)
      .setSubject(subject)
      .setJti(`bench-${userNumber}`)
      .setIssuedAt()
      .setExpirationTime(TOKEN_LIFETIME)
      .sign(pairs[alg].privateKey);
  }

  return {
    url,
    async mint(algorithm, from, count, onProgress) {
      const callers: Caller[] = [];
      while (callers.length < count) {
        const size = Math.min(MINT_BATCH_SIZE, count - callers.length);
        const users = Array.from({ length: size }, (_, index) => from + callers.length + index);
        callers.push(
          ...(await Promise.all(
            users.map(async (userNumber) => ({ userNumber, token: await token(algorithm, userNumber) })),
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
