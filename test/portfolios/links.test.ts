import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { principalOf } from "../support/broker.ts";
import { startValued, type ValuedServices } from "./valued-services.ts";

let services: ValuedServices;
beforeAll(async () => {
  services = await startValued();
});
afterAll(() => services.stop());

const named = (userId: string, name: string) => services.neighbours.account(userId, [], { name });

/** A user with a portfolio, and accounts of these names. */
async function someone(...names: readonly string[]) {
  const userId = randomUUID();
  const user = services.as(userId);
  const { id } = await user.portfolio();
  return { userId, user, id, accounts: names.map((name) => named(userId, name)) };
}

describe("portfolios.linkAccount", () => {
  it("links an account, once", async () => {
    const { user, id, accounts } = await someone("One");
    const [account] = accounts as [string];
    const link = await user.link(id, account);
    expect(link).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      portfolio_id: id,
      account_id: account,
      added_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    });
    await expect(user.link(id, account)).rejects.toMatchObject({ type: "ACCOUNT_ALREADY_LINKED" });
    expect((await user.accounts(id)).items).toHaveLength(1);
  });

  it("links an account once, of many who ask at once", async () => {
    const { user, id, accounts } = await someone("One");
    const [account] = accounts as [string];
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => user.link(id, account)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason.type).toBe("ACCOUNT_ALREADY_LINKED");
    }
  });

  it("links one account to several portfolios", async () => {
    const { user, id, accounts } = await someone("One");
    const [account] = accounts as [string];
    const other = await user.portfolio({ name: "Other" });
    await user.link(id, account);
    await user.link(other.id, account);
    expect((await user.accounts(other.id)).items.map(({ name }) => name)).toEqual(["One"]);
  });

  it("answers 404 for another's account exactly as for one that there is not", async () => {
    const { user, id } = await someone();
    const foreign = named(randomUUID(), "Foreign");
    const refusals = await Promise.all(
      [foreign, randomUUID()].map((account) => user.link(id, account).catch((error) => error)),
    );
    expect(refusals.map(({ type, data, message }) => ({ type, data, message }))).toEqual(
      Array(2).fill({ type: "ACCOUNT_NOT_FOUND", data: {}, message: refusals[1].message }),
    );
    expect((await user.accounts(id)).items).toEqual([]);
  });

  it("asks nobody about an account where the portfolio is another's", async () => {
    const { accounts, userId } = await someone("One");
    const other = await someone();
    const before = services.neighbours.calls.accounts;
    const user = services.as(userId);
    const linking = user.link(other.id, accounts[0] as string);
    await expect(linking).rejects.toMatchObject({ type: "PORTFOLIO_NOT_FOUND" });
    expect(services.neighbours.calls.accounts).toBe(before);
  });

  it("links a hundred accounts and no more, however many ask at once", async () => {
    const { userId, user, id } = await someone();
    await user.replace(
      id,
      Array.from({ length: 95 }, (_, index) => named(userId, `${index}`)),
    );
    const more = Array.from({ length: 10 }, (_, index) => named(userId, `more ${index}`));
    const outcomes = await Promise.allSettled(more.map((account) => user.link(id, account)));
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(refused.map(({ reason }) => reason.type)).toEqual(Array(5).fill("TOO_MANY_LINKED_ACCOUNTS"));
    expect((await user.accounts(id)).items).toHaveLength(100);
  });
});

describe("portfolios.listAccounts", () => {
  it("answers the accounts in the order in which they were linked, without what is in them", async () => {
    const { user, id, accounts } = await someone("One", "Two", "Three");
    for (const account of accounts.toReversed()) await user.link(id, account);
    const { items } = await user.accounts(id);
    expect(items.map(({ name }) => name)).toEqual(["Three", "Two", "One"]);
    expect(items[0]).toEqual({
      id: accounts[2],
      name: "Three",
      account_type: "manual",
      exchange_name: null,
      wallet_address: null,
      is_active: true,
      last_synced_at: null,
      created_at: expect.any(String),
      updated_at: expect.any(String),
    });
  });

  it("leaves out an account that is no longer there", async () => {
    const { user, id, accounts } = await someone("One", "Two");
    await user.replace(id, accounts);
    services.neighbours.remove(accounts[0] as string);
    expect((await user.accounts(id)).items.map(({ name }) => name)).toEqual(["Two"]);
  });

  it("pages without losing or repeating one, also of those that were linked at once", async () => {
    const names = Array.from({ length: 11 }, (_, index) => `${index}`);
    const { user, id, accounts } = await someone(...names);
    await user.replace(id, accounts);
    const found: string[] = [];
    for (let cursor: string | undefined, first = true; first || cursor; first = false) {
      const page: Awaited<ReturnType<typeof user.accounts>> = await user.accounts(id, {
        limit: 3,
        ...(cursor && { cursor }),
      });
      found.push(...page.items.map(({ name }) => name));
      cursor = page.next_cursor;
    }
    expect(found).toEqual(names);
  });

  it("asks again for the accounts that did not fit into one message", async () => {
    const { user, id, accounts } = await someone("One", "Two", "Three");
    await user.replace(id, accounts);
    services.neighbours.accountsPerMessage = 1;
    try {
      expect((await user.accounts(id)).items.map(({ name }) => name)).toEqual(["One", "Two", "Three"]);
    } finally {
      services.neighbours.accountsPerMessage = 100;
    }
  });
});

describe("portfolios.replaceAccounts", () => {
  it("replaces the set, folds what is there twice, and keeps the time and place of what stays", async () => {
    const { user, id, accounts } = await someone("One", "Two", "Three");
    const [one, two, three] = accounts as [string, string, string];
    expect((await user.replace(id, [two, one, two])).map(({ name }) => name)).toEqual(["Two", "One"]);
    expect((await user.replace(id, [three, one, one])).map(({ name }) => name)).toEqual(["One", "Three"]);
    expect((await user.accounts(id)).items.map(({ name }) => name)).toEqual(["One", "Three"]);
    expect(await user.replace(id, [])).toEqual([]);
    expect((await user.accounts(id)).items).toEqual([]);
  });

  it("changes nothing when one of them is another's or not there, and says which", async () => {
    const { user, id, accounts } = await someone("One", "Two");
    const [one, two] = accounts as [string, string];
    await user.replace(id, [one]);
    const foreign = named(randomUUID(), "Foreign");
    for (const wrong of [foreign, randomUUID()]) {
      await expect(user.replace(id, [two, wrong])).rejects.toMatchObject({
        type: "ACCOUNT_NOT_FOUND",
        data: { errors: [{ pointer: "/account_ids/1", detail: "is none of your accounts" }] },
      });
    }
    expect((await user.accounts(id)).items.map(({ name }) => name)).toEqual(["One"]);
  });

  it("ends with one whole set when many replace it at once", async () => {
    const { user, id, accounts } = await someone("A", "B", "C", "D");
    const [a, b, c, d] = accounts as [string, string, string, string];
    const sets = [[a, b], [c, d], [a, c, d], [d]];
    await Promise.all(Array.from({ length: 20 }, (_, index) => user.replace(id, sets[index % 4] ?? [])));
    const left = (await user.accounts(id)).items.map((account) => account.id).toSorted();
    expect(sets.map((set) => set.toSorted())).toContainEqual(left);
  });
});

describe("portfolios.unlinkAccount", () => {
  it("unlinks, and then there is nothing to unlink; another's account is as one that is not linked", async () => {
    const { user, id, accounts } = await someone("One");
    const [one] = accounts as [string];
    await user.link(id, one);
    expect(await user.unlink(id, one)).toBeNull();
    for (const account of [one, named(randomUUID(), "Foreign"), randomUUID()]) {
      await expect(user.unlink(id, account)).rejects.toMatchObject({ type: "ACCOUNT_NOT_LINKED", data: {} });
    }
  });

  it("unlinks an account that is no longer there", async () => {
    const { user, id, accounts } = await someone("One");
    await user.replace(id, accounts);
    services.neighbours.remove(accounts[0] as string);
    expect(await user.unlink(id, accounts[0] as string)).toBeNull();
  });
});

describe("the accounts of another's portfolio", () => {
  it("are not there, and nothing about them changes", async () => {
    const { user, id, accounts } = await someone("One");
    await user.replace(id, accounts);
    const stranger = services.as(randomUUID());
    const own = accounts[0] as string;
    const attempts = [
      () => stranger.accounts(id),
      () => stranger.link(id, own),
      () => stranger.replace(id, []),
      () => stranger.unlink(id, own),
    ];
    for (const attempt of attempts) {
      await expect(attempt()).rejects.toMatchObject({ type: "PORTFOLIO_NOT_FOUND", data: {} });
    }
    expect((await user.accounts(id)).items).toHaveLength(1);
  });
});

describe("with a token for one portfolio", () => {
  it("its accounts are read and unlinked, but none is linked; other portfolios are not there", async () => {
    const { userId, user, id, accounts } = await someone("One", "Two");
    await user.replace(id, accounts.slice(0, 1));
    const other = await user.portfolio({ name: "Other" });
    const token = services.as(userId, principalOf(userId, { portfolioId: id }));
    expect((await token.accounts(id)).items.map(({ name }) => name)).toEqual(["One"]);
    await expect(token.link(id, accounts[1] as string)).rejects.toMatchObject({ type: "FORBIDDEN" });
    await expect(token.replace(id, accounts)).rejects.toMatchObject({ type: "FORBIDDEN" });
    for (const attempt of [
      () => token.accounts(other.id),
      () => token.link(other.id, accounts[1] as string),
      () => token.replace(other.id, []),
      () => token.unlink(other.id, accounts[0] as string),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ type: "PORTFOLIO_NOT_FOUND" });
    }
    expect(await token.unlink(id, accounts[0] as string)).toBeNull();
  });
});

describe("deleting a portfolio", () => {
  it("deletes its links", async () => {
    const { user, id, accounts } = await someone("One");
    await user.replace(id, accounts);
    await user.delete(id);
    await expect(user.accounts(id)).rejects.toMatchObject({ type: "PORTFOLIO_NOT_FOUND" });
  });
});
