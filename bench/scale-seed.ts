import type pg from "pg";
import { PORTFOLIOS_PER_USER } from "./seed.ts";

/** How many assets an account holds; all of them are listed and have a price. */
export const HELD_ASSETS = 10;

/** Gives each user's default portfolio one account, kept by hand, that holds ten assets. */
export async function seedHoldings(client: pg.Client, users: number): Promise<void> {
  const id = (variant: string, number: string) =>
    `('01890000-0000-7000-${variant}000-' || lpad(to_hex(${number}), 12, '0'))::uuid`;
  await client.query(
    `insert into accounts.accounts (id, user_id, name, account_type, holdings_at)
     select ${id("a", "n")}, ${id("8", "n")}, 'Cold storage', 'manual', now() from generate_series(1, $1::int) n`,
    [users],
  );
  await client.query(
    `insert into accounts.holdings (account_id, asset, quantity, available, frozen, symbol)
     select ${id("a", "n")}, listed.symbol, listed.place, listed.place, 0, listed.symbol
     from generate_series(1, $1::int) n, (
       select l.symbol, row_number() over (order by l.symbol) as place
       from market.listed_symbols l join market.prices p using (asset_id)
       order by l.symbol limit ${HELD_ASSETS}
     ) listed`,
    [users],
  );
  await client.query(
    `insert into portfolios.portfolio_accounts (id, portfolio_id, account_id, user_id)
     select ${id("b", "n")}, ${id("9", `n * ${PORTFOLIOS_PER_USER}`)}, ${id("a", "n")}, ${id("8", "n")}
     from generate_series(1, $1::int) n`,
    [users],
  );
  await client.query("vacuum analyze");
  await client.query("checkpoint");
}
