import { coalesce } from "../common/database/coalesce.ts";
import type { ConnectionPool } from "../common/database/pool.ts";

/** More chains than this are not listed. */
const MAX_CHAINS = 500;

export interface ListedChain {
  readonly id: string;
  readonly family: "evm" | "solana";
  readonly name: string;
  readonly native_symbol: string;
  readonly is_active: boolean;
}

// Bitcoin is a chain that assets are known on, and none that clients choose.
const LIST = `
  select c.chain_id as id, c.family, c.name, c.native_symbol, c.is_active
  from market.chains c where c.family in ('evm', 'solana')
  order by c.family = 'solana', c.created_at, c.id
  limit ${MAX_CHAINS}`;

/**
 * The chains that clients know, Solana last. The list is public: callers at the same time share one statement, so
 * that a flood of them holds no more than two connections.
 */
export function chainList(pool: ConnectionPool): () => Promise<readonly ListedChain[]> {
  const read = coalesce<undefined, readonly ListedChain[]>({
    maxBatchSize: 1_000,
    maxBatches: 2,
    read: async (askers, askedAt) => {
      const chains = await pool.query<ListedChain>({ name: "market.chains.list", text: LIST }, askedAt);
      return askers.map(() => chains);
    },
  });
  return () => read(undefined);
}
