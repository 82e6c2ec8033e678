import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type AccountServices, startAccounts } from "./services.ts";

let services: AccountServices;

beforeAll(async () => {
  services = await startAccounts();
});
afterAll(() => services.stop());

function toldOf(userId: string) {
  return services.database.query(
    `select event, aggregate_id, payload, hearer from accounts.outbox
     where event = 'accounts.deleted' and payload->>'user_id' = $1 order by position`,
    [userId],
  );
}

/** The rows of one account's end: one for who hears it, one for whoever listens. */
function deletion(userId: string, id: string) {
  const row = {
    event: "accounts.deleted",
    aggregate_id: id,
    payload: { account_id: id, user_id: userId },
  };
  return [
    { ...row, hearer: "portfolios.accountDeleted" },
    { ...row, hearer: "*" },
  ];
}

describe("accounts.deleted", () => {
  it("is stored when an account is deleted, and only then", async () => {
    const userId = randomUUID();
    const user = services.as(userId);
    const { id } = await user.manual();
    await expect(services.as(randomUUID()).delete(id)).rejects.toMatchObject({ type: "ACCOUNT_NOT_FOUND" });
    expect(await toldOf(userId)).toEqual([]);
    await user.delete(id);
    expect(await toldOf(userId)).toEqual(deletion(userId, id));
  });

  it("is stored for each account of a user who is erased", async () => {
    const userId = randomUUID();
    const user = services.as(userId);
    const created = [await user.manual(), await user.wallet()];
    await services.callAs(undefined, "accounts.eraseUser", { user_id: userId });
    await services.callAs(undefined, "accounts.eraseUser", { user_id: userId });
    const told = await toldOf(userId);
    expect(told).toHaveLength(4);
    expect(told).toEqual(expect.arrayContaining(created.flatMap(({ id }) => deletion(userId, id))));
  });
});
