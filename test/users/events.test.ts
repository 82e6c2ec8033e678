import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { accounts } from "../../services/accounts/contract.ts";
import { auth } from "../../services/auth/contract.ts";
import { implement } from "../../services/common/implement.ts";
import type { ServiceModule } from "../../services/common/service.ts";
import { portfolios } from "../../services/portfolios/contract.ts";
import users from "../../services/users/users.service.ts";
import { principalOf, startBroker, type TestBroker } from "../support/broker.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";

/** The neighbours as far as an erasure asks them. */
const neighbours: readonly ServiceModule[] = [
  () => async () => ({
    schema: implement({
      contract: {
        name: auth.name,
        actions: { revokeIdentities: auth.actions.revokeIdentities, eraseUser: auth.actions.eraseUser },
      },
      handlers: { revokeIdentities: async () => null, eraseUser: async () => null },
    }),
  }),
  () => async () => ({
    schema: implement({
      contract: { name: portfolios.name, actions: { eraseUser: portfolios.actions.eraseUser } },
      handlers: { eraseUser: async () => null },
    }),
  }),
  () => async () => ({
    schema: implement({
      contract: { name: accounts.name, actions: { eraseUser: accounts.actions.eraseUser } },
      handlers: { eraseUser: async () => null },
    }),
  }),
];

let database: TestDatabase;
let services: TestBroker;

beforeAll(async () => {
  database = await cloneDatabase();
  const environment = { DATABASE_URL: database.url, DB_MIN_CONNECTIONS: "2" };
  services = await startBroker([users, ...neighbours], environment);
});
afterAll(async () => {
  await services.stop();
  await database.drop();
});

async function resolve(subject: string): Promise<string> {
  const identity = {
    issuer: "https://issuer.example",
    subject,
    profile: {},
    checked_at: new Date().toISOString(),
  };
  return (await services.callAs<{ user_id: string }>(undefined, "users.resolve", identity)).user_id;
}

function toldOf(userId: string) {
  return database.query("select event, payload from users.outbox where aggregate_id = $1 order by position", [
    userId,
  ]);
}

describe("users.created", () => {
  it("is stored once at a user's first sight, however many see it at once", async () => {
    const subject = randomUUID();
    const ids = await Promise.all(Array.from({ length: 50 }, () => resolve(subject)));
    await resolve(subject);
    const [userId] = ids as [string];
    expect(await toldOf(userId)).toEqual([{ event: "users.created", payload: { user_id: userId } }]);
    const others = await Promise.all([resolve(randomUUID()), resolve(randomUUID())]);
    for (const id of others) expect(await toldOf(id)).toHaveLength(1);
  });
});

describe("users.deleted", () => {
  it("is stored when the user's row goes, once", async () => {
    const userId = await resolve(randomUUID());
    await services.callAs(principalOf(userId), "users.deleteMe", {});
    await services.callAs(principalOf(userId), "users.deleteMe", {});
    expect(await toldOf(userId)).toEqual([
      { event: "users.created", payload: { user_id: userId } },
      { event: "users.deleted", payload: { user_id: userId } },
    ]);
  });
});
