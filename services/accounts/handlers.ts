import { cursorAfter, positionOf } from "../common/database/cursor.ts";
import type { Handlers } from "../common/implement.ts";
import { pageWithin, rowsThatFit } from "../common/page.ts";
import { problem } from "../common/problem.ts";
import type { market } from "../market/contract.ts";
import { checkAddress, checkChains, checkFixed, checkMembers } from "./checks.ts";
import type { syncActions } from "./contract/sync.ts";
import { type accounts, NETWORKS } from "./contract.ts";
import { mayNameChain } from "./domain/asset-key.ts";
import { ownerOf } from "./owner.ts";
import { accountReads } from "./reads.ts";
import { type AccountRow, accountOf, exportedAccountOf, heldAccountOf } from "./row.ts";
import { setHoldings } from "./set-holdings.ts";
import { createAccount, deleteAccount, eraseAccounts, type Store, updateAccount } from "./writes.ts";

type AccountHandlers = Omit<Handlers<typeof accounts, typeof market>, keyof typeof syncActions>;

/** An account with all its holdings may fill most of a message, so each is weighed. */
const ROWS_THAT_ALWAYS_FIT = 1;

/** What each action of the contract does. */
export function accountHandlers(store: Store): AccountHandlers {
  const reads = accountReads(store.pool);

  function page<Item>(userId: string, item: (row: AccountRow) => Item, cursor?: string, limit?: number) {
    return pageWithin({
      limit,
      read: (rows) => reads.list({ userId, after: positionOf(cursor), limit: rows }),
      cursorAfter,
      item,
      rowsThatAlwaysFit: ROWS_THAT_ALWAYS_FIT,
    });
  }

  return {
    ...changes(store, reads),

    async list({ params: { cursor, limit }, principal }) {
      return page(ownerOf(principal), accountOf, cursor, limit);
    },

    async get({ params: { id }, principal }) {
      const row = await reads.get({ id, userId: ownerOf(principal) });
      if (!row) throw problem("ACCOUNT_NOT_FOUND");
      return accountOf(row);
    },

    async holdings({ params: { user_id: userId, account_ids } }) {
      const asked = [...new Set(account_ids)].map((id) => reads.get({ id, userId }));
      const rows = (await Promise.all(asked)).filter((row) => row !== undefined);
      const fitting = rowsThatFit(rows, ROWS_THAT_ALWAYS_FIT);
      const others = rows.slice(fitting).map(({ id }) => id);
      return {
        accounts: rows.slice(0, fitting).map(heldAccountOf),
        ...(others.length > 0 && { next_account_ids: others }),
      };
    },

    async exportUser({ params: { user_id, cursor } }) {
      return page(user_id, exportedAccountOf, cursor);
    },
  };
}

type Changes = Pick<AccountHandlers, "create" | "update" | "delete" | "setHoldings" | "eraseUser">;

function changes(store: Store, reads: ReturnType<typeof accountReads>): Changes {
  return {
    async create({ params, principal, call, once }) {
      const { name, account_type, api_key, api_secret, passphrase, ...members } = params;
      const userId = ownerOf(principal);
      checkMembers(account_type, params);
      const { exchange_name = null, wallet_address, enabled_chains = null } = members;
      const address = wallet_address ? checkAddress(exchange_name ?? undefined, wallet_address) : null;
      const credentials = { api_key, api_secret, passphrase };
      const chains = enabled_chains && each(enabled_chains);
      const fixed = { account_type, exchange_name, wallet_address: address };
      const account = { ...fixed, name, enabled_chains: chains, credentials };
      return once(async (db) => {
        if (enabled_chains) checkChains(enabled_chains, await call("market.knownChains", {}));
        return accountOf(await createAccount({ ...store, db }, userId, account));
      });
    },

    async update({ params, principal, call }) {
      const { id, if_match, name, is_active, enabled_chains, ...members } = params;
      const { api_key, api_secret, passphrase, ...fixed } = members;
      const credentials = { api_key, api_secret, passphrase };
      const key = { id, userId: ownerOf(principal), version: if_match };
      // Whose account it is comes first: a stranger is told nothing else, and no other service is asked.
      const account = await reads.get(key);
      if (!account) throw problem("ACCOUNT_NOT_FOUND");
      // What these are checked against never changes, so no lock is needed.
      checkFixed(account, fixed);
      const { account_type, exchange_name, wallet_address } = account;
      checkMembers(account_type, { exchange_name, wallet_address, enabled_chains, ...credentials });
      if (enabled_chains) checkChains(enabled_chains, await call("market.knownChains", {}));
      const chains = enabled_chains && each(enabled_chains);
      const changed = { name, is_active, enabled_chains: chains, credentials };
      return accountOf(await updateAccount(store, key, changed));
    },

    async delete({ params: { id, if_match }, principal }) {
      await deleteAccount(store, { id, userId: ownerOf(principal), version: if_match });
      return null;
    },

    async setHoldings({ params: { id, holdings, if_match }, principal, call }) {
      const key = { id, userId: ownerOf(principal), version: if_match };
      const evm = holdings.some(({ asset }) => mayNameChain(asset))
        ? await call("market.knownChains", {})
        : [];
      const chains = [...NETWORKS, ...evm.map((chain) => chain.id)];
      return accountOf(await setHoldings(store, key, holdings, chains));
    },

    async eraseUser({ params: { user_id } }) {
      await eraseAccounts(store, user_id);
      return null;
    },
  };
}

/** Each of them once. */
function each(chains: readonly string[]): string[] {
  return [...new Set(chains)];
}
