import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { HeldAccount } from "../../services/accounts/contract.ts";
import { type AccountServices, startAccounts } from "./services.ts";

let services: AccountServices;
beforeAll(async () => {
  services = await startAccounts();
});
afterAll(() => services.stop());

interface Held {
  readonly accounts: HeldAccount[];
  readonly next_account_ids?: string[];
}

const heldBy = (user_id: string, account_ids: readonly string[]) =>
  services.callAs<Held>(undefined, "accounts.holdings", { user_id, account_ids });

const LARGE = `1${"0".repeat(30)}`;
const SMALL = `0.${"0".repeat(29)}1`;

describe("accounts.setHoldings", () => {
  it("replaces all that was there; before the first time there are none to tell of, later there may be none", async () => {
    const user = services.as(randomUUID());
    const created = await user.manual();
    expect(created).not.toHaveProperty("holdings");
    const first = await user.setHoldings(created.id, [
      { asset: "ETH-base", quantity: "1.50" },
      { asset: "BTC", quantity: "2" },
    ]);
    expect(first).toEqual({
      ...created,
      holdings: [
        { asset: "BTC", quantity: "2" },
        { asset: "ETH-base", quantity: "1.50" },
      ],
      updated_at: expect.any(String),
      version: 2,
    });
    expect(await user.get(created.id)).toEqual(first);
    const emptied = await user.setHoldings(created.id, []);
    expect(emptied).toMatchObject({ holdings: [], version: 3 });
    expect((await user.list()).items).toEqual([emptied]);
  });

  it.each([
    [{ quantity: "10" }, { available: "10", frozen: "0" }],
    [
      { quantity: "10", frozen: "3.5" },
      { available: "6.5", frozen: "3.5" },
    ],
    [
      { quantity: "10", frozen: "10" },
      { available: "0", frozen: "10" },
    ],
    [
      { quantity: "10", available: "4" },
      { available: "4", frozen: "0" },
    ],
    [
      { quantity: "10", available: "4", frozen: "6" },
      { available: "4", frozen: "6" },
    ],
    [
      { quantity: LARGE, frozen: SMALL },
      { available: `${"9".repeat(30)}.${"9".repeat(30)}`, frozen: SMALL },
    ],
  ])("completes %j with %j, exactly", async (given, expected) => {
    const userId = randomUUID();
    const { id } = await services.as(userId).manual();
    await services.as(userId).setHoldings(id, [{ asset: "X", ...given }]);
    const { accounts } = await heldBy(userId, [id]);
    expect(accounts[0]?.holdings).toEqual([
      { asset: "X", symbol: "X", quantity: given.quantity, ...expected },
    ]);
  });

  it.each([LARGE, SMALL, "0", "0.0", "1.10", "9".repeat(78), `0.${"9".repeat(77)}`, `${2n ** 256n - 1n}`])(
    "gives %s back digit for digit",
    async (quantity) => {
      const user = services.as(randomUUID());
      const { id } = await user.manual();
      const { holdings } = await user.setHoldings(id, [{ asset: "X", quantity }]);
      expect(holdings).toEqual([{ asset: "X", quantity }]);
    },
  );

  it.each([
    ["a negative quantity", [{ asset: "X", quantity: "-1" }], ["/holdings/0/quantity"]],
    ["NaN", [{ asset: "X", quantity: "NaN" }], ["/holdings/0/quantity"]],
    ["Infinity", [{ asset: "X", quantity: "Infinity" }], ["/holdings/0/quantity"]],
    ["an exponent", [{ asset: "X", quantity: "1e3" }], ["/holdings/0/quantity"]],
    ["a sign", [{ asset: "X", quantity: "+1" }], ["/holdings/0/quantity"]],
    ["a leading zero", [{ asset: "X", quantity: "01" }], ["/holdings/0/quantity"]],
    ["no digit behind the point", [{ asset: "X", quantity: "1." }], ["/holdings/0/quantity"]],
    ["no digit before the point", [{ asset: "X", quantity: ".5" }], ["/holdings/0/quantity"]],
    ["a comma", [{ asset: "X", quantity: "1,000" }], ["/holdings/0/quantity"]],
    ["a line break", [{ asset: "X", quantity: "1\n" }], ["/holdings/0/quantity"]],
    ["no text", [{ asset: "X", quantity: "" }], ["/holdings/0/quantity"]],
    ["a number", [{ asset: "X", quantity: 1 }], ["/holdings/0/quantity"]],
    ["79 digits", [{ asset: "X", quantity: "9".repeat(79) }], ["/holdings/0/quantity"]],
    [
      "79 digits behind the point",
      [{ asset: "X", quantity: `0.${"1".repeat(78)}` }],
      ["/holdings/0/quantity"],
    ],
    [
      "bad other amounts",
      [{ asset: "X", quantity: "1", available: "-1", frozen: "x" }],
      ["/holdings/0/available", "/holdings/0/frozen"],
    ],
    ["no quantity", [{ asset: "X" }], ["/holdings/0/quantity"]],
    ["no asset", [{ quantity: "1" }], ["/holdings/0/asset"]],
    ["an empty asset", [{ asset: "", quantity: "1" }], ["/holdings/0/asset"]],
    ["an asset with a space", [{ asset: "A B", quantity: "1" }], ["/holdings/0/asset"]],
    ["an asset with NUL", [{ asset: "A\0", quantity: "1" }], ["/holdings/0/asset"]],
    ["a long asset", [{ asset: "A".repeat(82), quantity: "1" }], ["/holdings/0/asset"]],
    [
      "an asset twice",
      [
        { asset: "X", quantity: "1" },
        { asset: "Y", quantity: "1" },
        { asset: "X", quantity: "2" },
      ],
      ["/holdings/2/asset"],
    ],
    ["decimals", [{ asset: "X", quantity: "1", decimals: 8 }], ["/holdings/0/decimals"]],
    ["no list", { asset: "X", quantity: "1" }, ["/holdings"]],
    [
      "too many",
      Array.from({ length: 1001 }, (_, index) => ({ asset: `A${index}`, quantity: "1" })),
      ["/holdings"],
    ],
  ])("refuses %s, and changes nothing", async (_, holdings, pointers) => {
    const user = services.as(randomUUID());
    const { id } = await user.manual();
    const before = await user.setHoldings(id, [{ asset: "BTC", quantity: "1" }]);
    await expect(user.setHoldings(id, holdings)).rejects.toMatchObject({
      type: "VALIDATION_FAILED",
      data: { errors: pointers.map((pointer) => expect.objectContaining({ pointer })) },
    });
    expect(await user.get(id)).toEqual(before);
  });

  it("refuses amounts that contradict each other, naming each", async () => {
    const user = services.as(randomUUID());
    const { id } = await user.manual();
    const holdings = [
      { asset: "A", quantity: "1", frozen: "1.000000000000000000001" },
      { asset: "B", quantity: "1", available: "1", frozen: "0" },
      { asset: "C", quantity: "1", available: "0.6", frozen: "0.5" },
      { asset: "D", quantity: "1", available: "2" },
    ];
    await expect(user.setHoldings(id, holdings)).rejects.toMatchObject({
      type: "HOLDING_AMOUNTS_DISAGREE",
      data: {
        errors: ["/holdings/0/frozen", "/holdings/2/available", "/holdings/3/available"].map((pointer) =>
          expect.objectContaining({ pointer }),
        ),
      },
    });
    expect(await user.get(id)).not.toHaveProperty("holdings");
  });

  it("tells the symbol from the chain in a key that ends with a known chain, and from nothing else", async () => {
    const userId = randomUUID();
    const { id } = await services.as(userId).manual();
    const keys = ["BTC", "BTC-bitcoin", "ETH-base", "ETH-mantle", "ETH-moon", "-base", "A-B-solana"];
    const shown = await services.as(userId).setHoldings(
      id,
      keys.map((asset) => ({ asset, quantity: "1" })),
    );
    expect(shown.holdings?.map(({ asset }) => asset).sort()).toEqual(keys.toSorted());
    expect(shown.holdings?.[0]).not.toHaveProperty("symbol");
    const { accounts } = await heldBy(userId, [id]);
    const named = accounts[0]?.holdings.map(({ asset, symbol, chain }) => [asset, [symbol, chain]]) ?? [];
    expect(Object.fromEntries(named)).toEqual({
      BTC: ["BTC", undefined],
      "BTC-bitcoin": ["BTC", "bitcoin"],
      "ETH-base": ["ETH", "base"],
      "ETH-mantle": ["ETH", "mantle"],
      "ETH-moon": ["ETH-moon", undefined],
      "-base": ["-base", undefined],
      "A-B-solana": ["A-B", "solana"],
    });
  });

  it("is for manual accounts, and for the version that is named", async () => {
    const user = services.as(randomUUID());
    const [wallet, exchange, manual] = [await user.wallet(), await user.exchange(), await user.manual()];
    for (const { id } of [wallet, exchange]) {
      await expect(user.setHoldings(id, [])).rejects.toMatchObject({ type: "ACCOUNT_NOT_MANUAL" });
    }
    await expect(user.setHoldings(manual.id, [], { if_match: 2 })).rejects.toMatchObject({
      type: "PRECONDITION_FAILED",
    });
    await user.setHoldings(manual.id, [], { if_match: 1 });
  });

  it("leaves one whole list of many that are set at once", async () => {
    const user = services.as(randomUUID());
    const { id } = await user.manual();
    const lists = Array.from({ length: 8 }, (_, list) =>
      Array.from({ length: 5 }, (__, index) => ({
        asset: `L${list}-${index % (list + 1)}${index}`,
        quantity: `${list}`,
      })),
    );
    await Promise.all(lists.map((holdings) => user.setHoldings(id, holdings)));
    const { holdings, version } = await user.get(id);
    expect(version).toBe(9);
    expect(lists.map((list) => list.map(({ asset }) => asset).sort())).toContainEqual(
      holdings?.map(({ asset }) => asset),
    );
  });
});

describe("accounts.holdings", () => {
  it("answers the user's accounts in the order asked, each once, and leaves out all others", async () => {
    const userId = randomUUID();
    const user = services.as(userId);
    const [wallet, manual] = [await user.wallet(), await user.manual()];
    const foreign = await services.as(randomUUID()).manual();
    await user.setHoldings(manual.id, [{ asset: "BTC", quantity: "1", frozen: "0.25" }]);
    await services.database.query("update accounts.holdings set decimals = 8 where account_id = $1", [
      manual.id,
    ]);
    const held = await heldBy(userId, [manual.id, foreign.id, wallet.id, randomUUID(), manual.id]);
    expect(Object.keys(held)).toEqual(["accounts"]);
    for (const account of held.accounts) expect(HeldAccount.parse(account)).toEqual(account);
    expect(held.accounts).toMatchObject([
      {
        id: manual.id,
        exchange_name: null,
        wallet_address: null,
        last_synced_at: null,
        stale: false,
        holdings: [{ asset: "BTC", quantity: "1", available: "0.75", frozen: "0.25", decimals: 8 }],
      },
      { id: wallet.id, wallet_address: wallet.wallet_address, holdings: [] },
    ]);
    expect(await heldBy(userId, [])).toEqual({ accounts: [] });
  });

  it("reads all accounts of a request, and of requests at the same time, with one statement", async () => {
    const userId = randomUUID();
    await services.database.query(
      `insert into accounts.accounts (id, user_id, name, account_type)
       select gen_random_uuid(), $1, 'A', 'manual' from generate_series(1, 100)`,
      [userId],
    );
    const { items } = await services.as(userId).list();
    const unlock = await services.database.lock("accounts.accounts");
    const asked = [
      heldBy(
        userId,
        items.map(({ id }) => id),
      ),
      heldBy(
        userId,
        items.map(({ id }) => id),
      ),
    ];
    await waiting();
    const statements = await waiting();
    await unlock();
    expect(statements).toBe(1);
    for (const { accounts } of await Promise.all(asked)) expect(accounts).toHaveLength(100);
  });

  /** How many statements wait for the lock, once some do. */
  async function waiting(): Promise<number> {
    for (;;) {
      const rows = await services.database.query(
        `select from pg_stat_activity where application_name = 'accounts' and wait_event_type = 'Lock'
         and datname = current_database()`,
      );
      if (rows.length > 0) return rows.length;
    }
  }

  it("names those that do not fit into one message, and lists and exports page by their weight", async () => {
    const userId = randomUUID();
    await services.database.query(
      `with made as (
         insert into accounts.accounts (id, user_id, name, account_type, holdings_at)
         select gen_random_uuid(), $1, 'A', 'manual', now() from generate_series(1, 6) returning id)
       insert into accounts.holdings (account_id, asset, quantity, available, frozen)
       select id, 'A' || n, power(10::numeric, 70) + n, 0, 0 from made cross join generate_series(1, 1000) n`,
      [userId],
    );
    const user = services.as(userId);
    const { items, next_cursor } = await user.list();
    expect([items.length < 6, next_cursor === undefined]).toEqual([true, false]);
    const rest = await user.list({ cursor: next_cursor });
    const ids = [...items, ...rest.items].map(({ id }) => id);
    const seen: string[] = [];
    let left: string[] | undefined = ids.slice(0, 6);
    while (left) {
      const { accounts, next_account_ids }: Held = await heldBy(userId, left);
      expect(Buffer.byteLength(JSON.stringify(accounts))).toBeLessThan(1_000_000);
      seen.push(...accounts.map(({ id }) => id));
      left = next_account_ids;
    }
    expect(seen).toEqual(ids.slice(0, 6));
  });

  it("cannot be reached for more accounts than one call may ask for", async () => {
    const ids = Array.from({ length: 101 }, () => randomUUID());
    await expect(heldBy(randomUUID(), ids)).rejects.toMatchObject({ type: "VALIDATION_FAILED" });
  });
});

describe("accounts.exportUser and eraseUser", () => {
  it("tell all but the credentials, and take it all away, also twice", async () => {
    const userId = randomUUID();
    const user = services.as(userId);
    await user.exchange({ api_key: "CANARY-KEY", api_secret: "CANARY-SECRET" });
    const { id } = await user.manual();
    await user.setHoldings(id, [{ asset: "BTC", quantity: "2", frozen: "1" }]);
    const other = services.as(randomUUID());
    const kept = await other.manual();
    const exported = await services.callAs<{ items: object[] }>(undefined, "accounts.exportUser", {
      user_id: userId,
    });
    expect(exported.items).toMatchObject([
      { account_type: "exchange" },
      { id, holdings: [{ asset: "BTC", quantity: "2", available: "1", frozen: "1" }] },
    ]);
    expect(JSON.stringify(exported)).not.toContain("CANARY");
    for (let time = 0; time < 2; time++) {
      expect(await services.callAs(undefined, "accounts.eraseUser", { user_id: userId })).toBeNull();
    }
    expect((await user.list()).items).toEqual([]);
    for (const table of ["credentials", "holdings"]) {
      const rows = await services.database.query(
        `select from accounts.${table} t left join accounts.accounts a on a.id = t.account_id where a.id is null`,
      );
      expect(rows).toEqual([]);
    }
    expect(await other.get(kept.id)).toEqual(kept);
  });
});
