import { Migration } from "@mikro-orm/migrations";
import { seedAssets } from "./seeds/assets.ts";
import { type SeedChain, seedChains } from "./seeds/chains.ts";
import { type SeedContract, seedEvmTokens, seedOtherContracts } from "./seeds/evm-tokens.ts";
import { seedExchangeSymbols } from "./seeds/exchange-symbols.ts";
import { seedSolanaTokens } from "./seeds/solana-tokens.ts";

/** When the sample prices were about right; so old that they are stale. */
const SAMPLES_AS_OF = "2026-01-01T00:00:00.000Z";

/** The kinds of seeded rows, for their ids. */
const KINDS = { asset: 1, contract: 2, chain: 3, evm_token: 4, solana_token: 5 } as const;

/** What a new installation knows: common assets with their contracts and sample prices, chains, tokens. */
export class SeedMarket extends Migration {
  override async up(): Promise<void> {
    this.insertAssets();
    this.insertContracts([...seedEvmTokens, ...seedOtherContracts, ...seedSolanaTokens]);
    this.insertExchangeSymbols();
    this.insertChains();
    this.insertTokens();
  }

  private insertAssets(): void {
    const assets = seedAssets.map((asset, index) => ({ ...asset, id: idOf("asset", index) }));
    this.addSql(`
      insert into market.assets (id, symbol, name, asset_type, coinpaprika_id, coingecko_id, decimals)
      select id, symbol, name, asset_type, coinpaprika_id, coingecko_id, decimals
      from jsonb_to_recordset(${literal(assets)}) as seed (
        id uuid, symbol text, name text, asset_type text, coinpaprika_id text, coingecko_id text, decimals integer)`);
    this.addSql(`
      insert into market.prices (asset_id, price_usd, source, as_of)
      select id, sample_price_usd, 'sample', timestamptz '${SAMPLES_AS_OF}'
      from jsonb_to_recordset(${literal(assets)}) as seed (id uuid, sample_price_usd numeric)`);
  }

  private insertContracts(contracts: readonly SeedContract[]): void {
    const rows = contracts.map(([chain, asset, contract_address, decimals], index) => ({
      id: idOf("contract", index),
      asset_id: seedAssetId(asset),
      chain,
      contract_address,
      decimals,
    }));
    this.addSql(`
      insert into market.asset_contracts (id, asset_id, chain, contract_address, decimals)
      select * from jsonb_to_recordset(${literal(rows)}) as seed (
        id uuid, asset_id uuid, chain text, contract_address text, decimals integer)`);
  }

  private insertExchangeSymbols(): void {
    const rows = Object.entries(seedExchangeSymbols).flatMap(([exchange, symbols]) =>
      symbols.map((symbol) => ({ exchange, symbol, asset_id: seedAssetId(symbol) })),
    );
    this.addSql(`
      insert into market.exchange_symbols (exchange, symbol, asset_id)
      select * from jsonb_to_recordset(${literal(rows)}) as seed (exchange text, symbol text, asset_id uuid)`);
  }

  private insertChains(): void {
    const rows = seedChains.map((chain: SeedChain, index) => ({
      ...chain,
      id: idOf("chain", index),
      native_asset_id: seedAssetId(chain.native_symbol),
    }));
    this.addSql(`
      insert into market.chains
        (id, family, chain_id, evm_number, name, rpc_url, native_symbol, native_asset_id)
      select * from jsonb_to_recordset(${literal(rows)}) as seed (
        id uuid, family text, chain_id text, evm_number bigint, name text, rpc_url text, native_symbol text,
        native_asset_id uuid)`);
  }

  private insertTokens(): void {
    const evm = seedEvmTokens.map(([chain, asset, contract_address], index) => ({
      id: idOf("evm_token", index),
      chain,
      symbol: symbolOf(asset),
      contract_address,
    }));
    this.addSql(`
      insert into market.evm_tokens (id, chain, symbol, contract_address)
      select * from jsonb_to_recordset(${literal(evm)}) as seed (
        id uuid, chain text, symbol text, contract_address text)`);
    // The registry of Solana tokens has its symbols in capitals, as existing clients know them.
    const solana = seedSolanaTokens.map(([, asset, mint_address], index) => ({
      id: idOf("solana_token", index),
      symbol: symbolOf(asset).toUpperCase(),
      mint_address,
    }));
    this.addSql(`
      insert into market.solana_tokens (id, symbol, mint_address)
      select * from jsonb_to_recordset(${literal(solana)}) as seed (id uuid, symbol text, mint_address text)`);
  }
}

/** The same on every installation, in the seeds' order, in the form of a UUID v7 of the beginning of 2026. */
function idOf(kind: keyof typeof KINDS, index: number): string {
  const last = (index + 1).toString(16).padStart(12, "0");
  return `019b7700-0000-700${KINDS[kind]}-8000-${last}`;
}

/** The id of the seeded asset with this key, on every installation. */
export function seedAssetId(key: string): string {
  return idOf("asset", indexOfAsset(key));
}

function symbolOf(key: string): string {
  return (seedAssets[indexOfAsset(key)] as (typeof seedAssets)[number]).symbol;
}

function indexOfAsset(key: string): number {
  const index = seedAssets.findIndex((asset) => asset.key === key);
  if (index === -1) throw new Error(`The seeds name ${key}, but no such asset.`);
  return index;
}

/** Constants of ours as a JSON literal of SQL. */
export function literal(rows: readonly object[]): string {
  return `'${JSON.stringify(rows).replaceAll("'", "''")}'::jsonb`;
}
