import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWTHeaderParameters, type JWTPayload, SignJWT } from "jose";

export const AUDIENCE = "crypto-pocket-butler";

/** What a test wants different about a token; `undefined` leaves a claim out. */
export interface TokenOptions {
  readonly header?: Partial<JWTHeaderParameters>;
  readonly claims?: JWTPayload;
}

export interface TestIssuer {
  readonly url: string;
  /** An access token (RFC 9068) of this subject, good unless `options` spoil it. */
  token(subject: string, options?: TokenOptions): Promise<string>;
  /** How often its key set was fetched. */
  readonly keyFetches: () => number;
  /** Answers every request with this from now on; undefined: as it should. */
  misbehave(answer: ((response: ServerResponse) => void) | undefined): void;
  stop(): Promise<void>;
}

/** A small OpenID provider on loopback: discovery, a key set of one RSA key, and tokens of any content. */
export async function startIssuer(): Promise<TestIssuer> {
  const { publicKey, privateKey } = await generateKeyPair("RS256");
  const jwk = { ...(await exportJWK(publicKey)), kid: "test-key", alg: "RS256", use: "sig" };
  let url = "";
  let keyFetches = 0;
  let misbehaviour: ((response: ServerResponse) => void) | undefined;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    if (misbehaviour) return misbehaviour(response);
    if (request.url === "/jwks") keyFetches += 1;
    const content = request.url === "/jwks" ? { keys: [jwk] } : { issuer: url, jwks_uri: `${url}/jwks` };
    response.setHeader("Content-Type", "application/json").end(JSON.stringify(content));
  }

  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url,
    token(subject, { header = {}, claims = {} } = {}) {
      const now = Math.floor(Date.now() / 1000);
      const payload = { iss: url, aud: AUDIENCE, sub: subject, iat: now, exp: now + 3600, ...claims };
      return new SignJWT(payload)
        .setProtectedHeader({ alg: "RS256", typ: "at+jwt", kid: "test-key", ...header })
        .sign(privateKey);
    },
    keyFetches: () => keyFetches,
    misbehave(answerWith) {
      misbehaviour = answerWith;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
