import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readRegistry } from "../../services/accounts/sync/registry.ts";
import type { Call } from "../../services/common/contract.ts";
import type { market as contract } from "../../services/market/contract.ts";
import market from "../../services/market/market.service.ts";
import { startBroker, type TestBroker } from "../support/broker.ts";
import { cloneDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let broker: TestBroker;
beforeAll(async () => {
  database = await cloneDatabase();
  broker = await startBroker([market], { DATABASE_URL: database.url, DB_MIN_CONNECTIONS: "2" });
});
afterAll(async () => {
  await broker.stop();
  await database.drop();
});

const call = ((action: string, params: object) =>
  broker.callAs(undefined, action, params)) as unknown as Call<typeof contract>;

describe("the registry that wallets are searched for", () => {
  it("has the active chains with their nodes, and the active tokens on them", async () => {
    const { chains, evm_tokens, solana_tokens } = await readRegistry(call);
    expect(chains.find(({ id }) => id === "ethereum")).toEqual({
      id: "ethereum",
      rpc_url: expect.stringMatching(/^https:/),
      native_symbol: "ETH",
      evm_number: 1,
    });
    expect(chains).toHaveLength(7);
    expect([evm_tokens.length > 60, solana_tokens.length]).toEqual([true, 11]);
    await database.query("update market.chains set is_active = false where chain_id = 'base'");
    await database.query("update market.evm_tokens set is_active = false where symbol = 'USDC'");
    const after = await readRegistry(call);
    expect(after.chains).toHaveLength(6);
    expect(after.evm_tokens.filter(({ chain, symbol }) => chain === "base" || symbol === "USDC")).toEqual([]);
  });

  it("comes whole when it is larger than a message", async () => {
    const { evm_tokens } = await readRegistry(call);
    await database.query(
      `insert into market.evm_tokens (id, chain, symbol, contract_address)
       select gen_random_uuid(), 'ethereum', repeat('€', 30), '0x' || lpad(to_hex(n), 40, '0')
       from generate_series(1, 4500) n`,
    );
    const page = await broker.callAs(undefined, "market.registry", {});
    expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThan(600_000);
    const all = await readRegistry(call);
    expect(all.evm_tokens).toHaveLength(evm_tokens.length + 4_500);
    expect(new Set(all.evm_tokens.map(({ contract_address }) => contract_address)).size).toBeGreaterThan(
      4_500,
    );
    expect(all.solana_tokens).toHaveLength(11);
  });
});
