import type { ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { startIssuer, type TestIssuer } from "../support/issuer.ts";
import { type AuthUnderTest, startAuth } from "./service.ts";

let issuer: TestIssuer;
let auth: AuthUnderTest;

beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer.stop());

// Each test begins with an auth that knows no keys yet.
beforeEach(async () => {
  auth = await startAuth([issuer]);
});
afterEach(async () => {
  issuer.misbehave(undefined);
  await auth.stop();
});

/** An auth that has never seen its issuer behave: it asks for the keys as soon as it starts. */
async function startCold(misbehaviour: (response: ServerResponse) => void): Promise<void> {
  await auth.stop();
  issuer.misbehave(misbehaviour);
  auth = await startAuth([issuer]);
}

const json = { "Content-Type": "application/json" };

const misbehaviours: Readonly<Record<string, (response: ServerResponse) => void>> = {
  "does not answer at all": (response) => response.destroy(),
  "answers 500": (response) => response.writeHead(500).end(),
  "answers 404": (response) => response.writeHead(404, json).end("{}"),
  "answers HTML": (response) =>
    response.writeHead(200, { "Content-Type": "text/html" }).end("<html>Maintenance</html>"),
  "answers half a document": (response) => response.writeHead(200, json).end('{"issuer":'),
  "answers another document": (response) => response.writeHead(200, json).end('{"keys":[]}'),
  "calls itself otherwise": (response) =>
    response
      .writeHead(200, json)
      .end('{"issuer":"https://evil.example","jwks_uri":"https://evil.example/jwks"}'),
  "leads elsewhere": (response) => response.writeHead(302, { Location: "https://evil.example/" }).end(),
};

describe("a cold start while the issuer", () => {
  it.each(Object.keys(misbehaviours))("%s answers 503 ISSUER_UNAVAILABLE, and logs why", async (name) => {
    await startCold(misbehaviours[name] as (response: ServerResponse) => void);
    const token = await issuer.token("alice");
    await expect(auth.authenticate(token)).rejects.toMatchObject({ type: "ISSUER_UNAVAILABLE", code: 503 });
    expect(auth.log()).toContain("Access token could not be checked.");
    expect(auth.logged.at(-1)?.reason?.length).toBeGreaterThan(20);
    expect(auth.log()).not.toContain("eyJ");
  });

  it("is down still refuses what is no token, or of nobody trusted", async () => {
    await startCold((response) => response.destroy());
    const foreign = await issuer.token("alice", { claims: { iss: "https://other.example" } });
    for (const bad of ["a.b.c", foreign]) {
      await expect(auth.authenticate(bad)).rejects.toMatchObject({ type: "UNAUTHENTICATED" });
    }
  });

  it("is down is over soon after it is back", async () => {
    const token = await issuer.token("alice");
    await startCold((response) => response.destroy());
    await expect(auth.authenticate(token)).rejects.toMatchObject({ type: "ISSUER_UNAVAILABLE" });
    issuer.misbehave(undefined);
    const end = Date.now() + 25_000;
    for (;;) {
      const type = await auth.authenticate(token).then(
        () => undefined,
        (error: { type: string }) => error.type,
      );
      if (type === undefined) break;
      expect([type, Date.now() < end]).toEqual(["ISSUER_UNAVAILABLE", true]);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }, 30_000);
});

describe("the keys of an issuer", () => {
  it("are fetched once, however many tokens come at once", async () => {
    const before = issuer.keyFetches();
    const tokens = await Promise.all(Array.from({ length: 50 }, (_, index) => issuer.token(`user-${index}`)));
    await Promise.all(tokens.map((token) => auth.authenticate(token)));
    expect(issuer.keyFetches() - before).toBe(1);
  });

  it("are enough once they are known: the issuer may go", async () => {
    await auth.authenticate(await issuer.token("alice"));
    issuer.misbehave((response) => response.destroy());
    expect(await auth.authenticate(await issuer.token("bob"))).toMatchObject({ subject: "bob" });
  });

  it("are not asked for again for every unknown key that a token names", async () => {
    await auth.authenticate(await issuer.token("alice"));
    const before = issuer.keyFetches();
    for (let index = 0; index < 20; index += 1) {
      // Issued a while ago, so that a set fetched since would hold its key.
      const claims = { iat: Math.floor(Date.now() / 1000) - 60 };
      const token = await issuer.token("alice", { header: { kid: `made-up-${index}` }, claims });
      await expect(auth.authenticate(token)).rejects.toMatchObject({ type: "UNAUTHENTICATED" });
    }
    expect(issuer.keyFetches() - before).toBeLessThanOrEqual(1);
  });
});
