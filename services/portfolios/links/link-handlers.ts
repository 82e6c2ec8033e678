import type { accounts, HeldAccount } from "../../accounts/contract.ts";
import type { Contract } from "../../common/contract.ts";
import { cursorAfter, positionOf } from "../../common/database/cursor.ts";
import type { ConnectionPool } from "../../common/database/pool.ts";
import type { Handlers } from "../../common/implement.ts";
import { pageWithin } from "../../common/page.ts";
import type { Principal } from "../../common/principal.ts";
import { problem } from "../../common/problem.ts";
import type { market } from "../../market/contract.ts";
import type { LinkedAccount, linkActions } from "../contract/links.ts";
import { reachable } from "../portfolio-handlers.ts";
import type { PortfolioReads } from "../reads.ts";
import { heldAccounts } from "../valuation.ts";
import { addLink, listLinks, removeLink, replaceLinks } from "./link-store.ts";

type LinkHandlers = Handlers<Contract<"portfolios", typeof linkActions>, typeof accounts | typeof market>;

/** What the actions on a portfolio's accounts do. Whose an account is, the accounts service says. */
export function linkHandlers(pool: ConnectionPool, reads: PortfolioReads): LinkHandlers {
  return {
    async listAccounts({ params: { id, cursor, limit }, principal, call }) {
      const { userId } = principal;
      const key = { id: reachable(principal, id), userId };
      const page = await pageWithin({
        limit,
        read: (rows) => listLinks(pool, key, positionOf(cursor), rows),
        cursorAfter,
        item: ({ account_id }) => account_id,
      });
      const held = await heldAccounts(call, userId, page.items);
      return { ...page, items: held.map(linkedAccountOf) };
    },

    async linkAccount({ params: { id, account_id }, principal, call, once }) {
      const key = { id: mayLink(principal, id), userId: principal.userId };
      return once(async (db) => {
        // Whose the portfolio is comes first: a stranger is told nothing else, and no other service is asked.
        if (!(await reads.get(key))) throw problem("PORTFOLIO_NOT_FOUND");
        const [account] = await heldAccounts(call, principal.userId, [account_id]);
        if (!account) throw problem("ACCOUNT_NOT_FOUND");
        return addLink(db, key, account_id);
      });
    },

    async replaceAccounts({ params: { id, account_ids }, principal, call }) {
      const key = { id: mayLink(principal, id), userId: principal.userId };
      if (!(await reads.get(key))) throw problem("PORTFOLIO_NOT_FOUND");
      const asked = [...new Set(account_ids)];
      const held = await heldAccounts(call, principal.userId, asked);
      const found = new Map(held.map((account) => [account.id, account]));
      if (found.size < asked.length) throw problem("ACCOUNT_NOT_FOUND", missing(account_ids, found));
      const linked = await replaceLinks(pool, key, asked);
      return linked.flatMap((accountId) => {
        const account = found.get(accountId);
        return account ? [linkedAccountOf(account)] : [];
      });
    },

    async unlinkAccount({ params: { id, account_id }, principal }) {
      await removeLink(pool, { id: reachable(principal, id), userId: principal.userId }, account_id);
      return null;
    },
  };
}

/** The id, unless the token is for one portfolio: linking others' contents to it would let it read them. */
function mayLink(principal: Principal, id: string): string {
  const reached = reachable(principal, id);
  if (principal.portfolioId !== undefined) throw problem("FORBIDDEN");
  return reached;
}

function linkedAccountOf({ holdings: _, stale: __, ...account }: HeldAccount): LinkedAccount {
  return account;
}

function missing(accountIds: readonly string[], found: ReadonlyMap<string, HeldAccount>) {
  const errors = accountIds.flatMap((id, index) =>
    found.has(id) ? [] : [{ pointer: `/account_ids/${index}`, detail: "is none of your accounts" }],
  );
  return { detail: "Not all of these accounts are there.", errors };
}
