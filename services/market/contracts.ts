import { randomUUIDv7 } from "node:crypto";
import type { ConnectionPool } from "../common/database/pool.ts";
import type { Writing } from "../common/database/writing.ts";

interface Lookup {
  readonly symbol: string;
  readonly coin_id: string;
  readonly coin_name: string;
  readonly contracts: { readonly chain: string; readonly contract_address: string }[];
}

// The coin is answered with its name: who looks a symbol up can see which one it is.
const LOOKUP = `
  select a.symbol, coalesce(a.coinpaprika_id, a.id::text) as coin_id, a.name as coin_name, (
    select coalesce(
      json_agg(json_build_object('chain', c.chain, 'contract_address', c.contract_address) order by n.created_at, n.id),
      '[]')
    from market.asset_contracts c
    join market.chains n on n.chain_id = c.chain and n.family = 'evm'
    where c.asset_id = a.id
  ) as contracts
  from market.assets a
  where upper(a.symbol) = upper($1) and a.is_active
  order by a.created_at, a.id
  limit 1`;

const KNOWN = `
  select c.chain, a.symbol, c.contract_address
  from market.asset_contracts c
  join market.chains n on n.chain_id = c.chain and n.family = 'evm'
  join market.assets a on a.id = c.asset_id
  order by c.chain, c.contract_key`;

const REGISTER = `
  insert into market.evm_tokens (id, chain, symbol, contract_address)
  select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
  on conflict do nothing
  returning id`;

/** The contracts of the coin that goes by this symbol, whatever its case; undefined when there is none. */
export async function lookupContracts(pool: ConnectionPool, symbol: string): Promise<Lookup | undefined> {
  const [found] = await pool.query<Lookup>({
    name: "market.contracts.lookup",
    text: LOOKUP,
    values: [symbol],
  });
  return found;
}

/** Registers the contracts that we know on EVM chains; those that are registered already stay as they are. */
export async function registerContracts(
  db: Pick<Writing, "query">,
): Promise<{ inserted: number; skipped: number }> {
  const known = await db.query<{ chain: string; symbol: string; contract_address: string }>({
    name: "market.contracts.known",
    text: KNOWN,
  });
  const inserted = await db.query({
    name: "market.contracts.register",
    text: REGISTER,
    values: [
      known.map(() => randomUUIDv7()),
      known.map(({ chain }) => chain),
      known.map(({ symbol }) => symbol),
      known.map(({ contract_address }) => contract_address),
    ],
  });
  return { inserted: inserted.length, skipped: known.length - inserted.length };
}
