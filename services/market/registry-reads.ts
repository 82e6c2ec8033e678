import { coalesce } from "../common/database/coalesce.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import type { Registry } from "./contract/registry.ts";

/** With nothing but the longest members a page of so many has 550 kB, and NATS takes 1 MB. */
const MAX_TOKENS_PER_PAGE = 2_000;
/** More chains than this are not looked at; with the longest URLs they have 60 kB. */
const MAX_CHAINS = 100;
const FIRST = "00000000-0000-0000-0000-000000000000";

const CHAINS = `
  select chain_id as id, rpc_url, native_symbol, evm_number from market.chains
  where family = 'evm' and is_active
  order by created_at, id
  limit ${MAX_CHAINS}`;

// Both kinds of tokens in one order, so that one id tells where a page ends.
const TOKENS = `
  select t.id, t.chain, t.symbol, t.contract_address as address
  from market.evm_tokens t join market.chains c on c.chain_id = t.chain and c.is_active
  where t.is_active and t.id > $1
  union all
  select id, null, symbol, mint_address from market.solana_tokens where is_active and id > $1
  order by id
  limit ${MAX_TOKENS_PER_PAGE + 1}`;

interface ChainRow {
  readonly id: string;
  readonly rpc_url: string;
  readonly native_symbol: string;
  readonly evm_number: string | null;
}

interface TokenRow {
  readonly id: string;
  readonly chain: string | null;
  readonly symbol: string;
  readonly address: string;
}

/** Pages of what wallets are searched for. Pages that are asked for at the same time are read once each. */
export function registryReads(pool: ConnectionPool): (after?: string) => Promise<Registry> {
  return coalesce<string | undefined, Registry>({
    maxBatchSize: 100,
    maxBatches: 2,
    read: async (asked, askedAt) => {
      const chains = await pool.query<ChainRow>({ name: "market.registry.chains", text: CHAINS }, askedAt);
      const pages = new Map<string | undefined, Registry>();
      for (const after of new Set(asked)) {
        const statement = { name: "market.registry.tokens", text: TOKENS, values: [after ?? FIRST] };
        pages.set(after, pageOf(chains, await pool.query<TokenRow>(statement)));
      }
      return asked.map((after) => pages.get(after) as Registry);
    },
  });
}

function pageOf(chains: readonly ChainRow[], rows: readonly TokenRow[]): Registry {
  const tokens = rows.slice(0, MAX_TOKENS_PER_PAGE);
  const last = rows.length > tokens.length ? tokens.at(-1) : undefined;
  return {
    chains: chains.map(({ evm_number, ...chain }) => ({
      ...chain,
      ...(evm_number !== null && { evm_number: Number(evm_number) }),
    })),
    evm_tokens: tokens.flatMap(({ chain, symbol, address }) =>
      chain === null ? [] : [{ chain, symbol, contract_address: address }],
    ),
    solana_tokens: tokens.flatMap(({ chain, symbol, address }) =>
      chain === null ? [{ symbol, mint_address: address }] : [],
    ),
    ...(last && { next_after: last.id }),
  };
}
