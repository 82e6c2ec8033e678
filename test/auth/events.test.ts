import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import auth from "../../services/auth/auth.service.ts";
import { principalOf, startBroker, type TestBroker } from "../support/broker.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let services: TestBroker;

beforeAll(async () => {
  database = await cloneDatabase();
  services = await startBroker([auth], {
    DATABASE_URL: database.url,
    DB_MIN_CONNECTIONS: "1",
    // Nobody is asked to sign in here.
    OIDC_ISSUER: "http://127.0.0.1:9/realms/none",
    OIDC_AUDIENCE: "api",
  });
});
afterAll(async () => {
  await services.stop();
  await database.drop();
});

describe("auth.session_revoked", () => {
  it("is stored with each revocation", async () => {
    const identities = [1, 2].map(() => ({ issuer: "https://issuer.example", subject: randomUUID() }));
    await services.callAs(undefined, "auth.revokeIdentities", { user_id: randomUUID(), identities });
    const caller = principalOf(randomUUID(), { sessionId: randomUUID() });
    await services.callAs(caller, "auth.logout", {});
    const revoked = await database.query<{ kind: string; key: string }>(
      "select kind, key from auth.revocations order by revoked_at, key",
    );
    expect(revoked.map(({ kind }) => kind)).toEqual(["identity", "identity", "session"]);
    const told = await database.query<{ aggregate_id: string }>(
      "select event, aggregate_id, payload from auth.outbox",
    );
    expect(told).toHaveLength(3);
    expect(told).toEqual(
      expect.arrayContaining(
        revoked.map((payload) => ({ event: "auth.session_revoked", aggregate_id: payload.key, payload })),
      ),
    );
  });
});
