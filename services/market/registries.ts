import { randomUUIDv7 } from "node:crypto";
import type { ConnectionPool } from "../common/database/pool.ts";
import type { Writing } from "../common/database/writing.ts";
import { problem } from "../common/problem.ts";
import { checkedEvmAddress, checkedSolanaAddress } from "./addresses.ts";
import { checkedRpcUrl } from "./public-url.ts";
import { registry } from "./registry.ts";

type Writes = Pick<Writing, "query">;

interface NewChain {
  readonly chain_id: string;
  readonly name: string;
  readonly rpc_url: string;
  readonly native_symbol: string;
  readonly is_active: boolean;
}

interface NewEvmToken {
  readonly chain: string;
  readonly symbol: string;
  readonly contract_address: string;
  readonly is_active: boolean;
}

interface NewSolanaToken {
  readonly symbol: string;
  readonly mint_address: string;
  readonly is_active: boolean;
}

interface ChainChanges {
  readonly name?: string | undefined;
  readonly rpc_url?: string | undefined;
  readonly native_symbol?: string | undefined;
  readonly is_active?: boolean | undefined;
}

/** The chains that EVM wallets may be looked at on. */
export function chainRegistry(pool: ConnectionPool) {
  const { returned, insert, update, ...rows } = registry(pool, {
    name: "evm-chains",
    table: "market.chains",
    condition: "family = 'evm'",
    columns: ["chain_id", "name", "rpc_url", "native_symbol"],
    changeable: ["name", "rpc_url", "native_symbol", "is_active"],
    missing: "CHAIN_NOT_FOUND",
  });
  const text = `
    insert into market.chains (id, family, chain_id, name, rpc_url, native_symbol, is_active)
    values ($1, 'evm', $2, $3, $4, $5, $6)
    returning ${returned}`;
  return {
    ...rows,
    async create(db: Writes, { chain_id, name, rpc_url, native_symbol, is_active }: NewChain) {
      const values = [randomUUIDv7(), chain_id, name, checkedRpcUrl(rpc_url), native_symbol, is_active];
      const chain = await insert(db, text, values);
      if (!chain) throw new Error("A chain was neither inserted nor refused.");
      return chain;
    },
    async update(id: string, version: number | undefined, changes: ChainChanges) {
      if (changes.rpc_url !== undefined) checkedRpcUrl(changes.rpc_url);
      return update(id, version, changes);
    },
  };
}

/** The tokens that EVM wallets are searched for. */
export function evmTokenRegistry(pool: ConnectionPool) {
  const { returned, insert, ...rows } = registry(pool, {
    name: "evm-tokens",
    table: "market.evm_tokens",
    columns: ["chain", "symbol", "contract_address"],
    changeable: ["symbol", "is_active"],
    missing: "REGISTERED_TOKEN_NOT_FOUND",
  });
  // The chain is locked until the token is there, so that it cannot be deleted in between.
  const text = `
    insert into market.evm_tokens (id, chain, symbol, contract_address, is_active)
    select $1, chain_id, $3, $4, $5
    from market.chains where family = 'evm' and chain_id = $2
    for key share
    returning ${returned}`;
  return {
    ...rows,
    async create(db: Writes, { chain, symbol, contract_address, is_active }: NewEvmToken) {
      const address = checkedEvmAddress(contract_address);
      const token = await insert(db, text, [randomUUIDv7(), chain, symbol, address, is_active]);
      if (token) return token;
      throw problem("UNKNOWN_CHAIN", {
        detail: `There is no EVM chain "${chain}"; GET /v1/evm-chains lists them.`,
        errors: [{ pointer: "/chain", detail: "must be the chain_id of an EVM chain" }],
      });
    },
  };
}

/** The tokens that Solana wallets are searched for. */
export function solanaTokenRegistry(pool: ConnectionPool) {
  const { returned, insert, ...rows } = registry(pool, {
    name: "solana-tokens",
    table: "market.solana_tokens",
    columns: ["symbol", "mint_address"],
    changeable: ["symbol", "is_active"],
    missing: "REGISTERED_TOKEN_NOT_FOUND",
  });
  const text = `
    insert into market.solana_tokens (id, symbol, mint_address, is_active)
    values ($1, $2, $3, $4)
    returning ${returned}`;
  return {
    ...rows,
    async create(db: Writes, { symbol, mint_address, is_active }: NewSolanaToken) {
      const mint = checkedSolanaAddress(mint_address);
      const token = await insert(db, text, [randomUUIDv7(), symbol, mint, is_active]);
      if (!token) throw new Error("A token was neither inserted nor refused.");
      return token;
    },
  };
}
