import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { type EvmNode, type EvmState, startEvmNode } from "../../support/providers/evm-node.ts";
import { json } from "../../support/providers/provider-server.ts";
import { faults, type Reading, reading } from "./reading.ts";

const WALLET = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045";
const contract = (digit: string) => `0x${digit.repeat(40)}`;
const USDC = contract("a");
const DAI = contract("b");
const OTHER_USDC = contract("c");
const NO_CONTRACT = contract("d");

const account = {
  account_type: "wallet",
  exchange_name: null,
  wallet_address: WALLET,
  enabled_chains: null,
} as const;
const token = (chain: string, symbol: string, contract_address: string) => ({
  chain,
  symbol,
  contract_address,
});
const held = (asset: string, symbol: string, chain: string, quantity: string, more: object = {}) => ({
  asset,
  symbol,
  chain,
  quantity,
  available: quantity,
  frozen: "0",
  decimals: 18,
  ...more,
});
const empty = (chainNumber: number): EvmState => ({
  chainNumber,
  balances: {},
  tokens: {},
  hasMulticall: true,
});

let ethereum: EvmNode;
let base: EvmNode;
let wallets: Reading;

const chainsOf = (nodes: Readonly<Record<string, EvmNode>>) =>
  Object.entries(nodes).map(([id, { url, state }]) => ({
    id,
    rpc_url: url,
    native_symbol: "ETH",
    evm_number: state.chainNumber,
  }));
const registryOf = (evm_tokens: readonly ReturnType<typeof token>[], nodes = { ethereum, base }) => ({
  chains: chainsOf(nodes),
  evm_tokens,
  solana_tokens: [],
});

beforeAll(async () => {
  [ethereum, base] = await Promise.all([startEvmNode(), startEvmNode({ chainNumber: 8453 })]);
  wallets = reading({ account }, [ethereum, base]);
});
afterAll(() => Promise.all([ethereum.stop(), base.stop()]));
beforeEach(() => {
  for (const node of [ethereum, base]) node.misbehave();
  Object.assign(ethereum.state, empty(1));
  Object.assign(base.state, empty(8453));
});

describe("the EVM connector", () => {
  it("reads each chain's own coin and the registry's tokens there, by SYMBOL-chain", async () => {
    ethereum.state.balances[WALLET] = 1_500_000_000_000_000_000n;
    ethereum.state.tokens[USDC] = { decimals: 6, balances: { [WALLET]: 2_500_000n } };
    ethereum.state.tokens[DAI] = { decimals: 18, balances: { [WALLET]: 0n } };
    base.state.balances[WALLET] = 1n;
    const registry = registryOf([token("ethereum", "USDC", USDC), token("ethereum", "DAI", DAI)]);
    expect(await wallets.read({ registry })).toEqual([
      held("ETH-ethereum", "ETH", "ethereum", "1.5"),
      held("USDC-ethereum", "USDC", "ethereum", "2.5", { contract: USDC, decimals: 6 }),
      held("ETH-base", "ETH", "base", "0.000000000000000001"),
    ]);
  });

  it("is exact up to the largest balance and any number of decimals", async () => {
    const most = 2n ** 256n - 1n;
    ethereum.state.tokens[USDC] = { decimals: 0, balances: { [WALLET]: most } };
    ethereum.state.tokens[DAI] = { decimals: 77, balances: { [WALLET]: most } };
    const registry = registryOf([token("ethereum", "ALL", USDC), token("ethereum", "FINE", DAI)]);
    const digits = most.toString();
    expect((await wallets.read({ registry })).map(({ quantity }) => quantity)).toEqual([
      digits,
      `${digits.slice(0, -77)}.${digits.slice(-77)}`,
    ]);
  });

  it("asks for all tokens of a chain at once", async () => {
    const contracts = Array.from(
      { length: 90 },
      (_, index) => `0x${(index + 1).toString(16).padStart(40, "0")}`,
    );
    for (const each of contracts) ethereum.state.tokens[each] = { decimals: 8, balances: { [WALLET]: 1n } };
    const tokens = contracts.map((each, index) => token("ethereum", `T${index}`, each));
    const before = ethereum.requests.length;
    const holdings = await wallets.read({
      registry: registryOf(tokens, { ethereum } as { ethereum: EvmNode; base: EvmNode }),
    });
    expect(holdings).toHaveLength(90);
    // The number of the chain, the coin, the balances, the decimals.
    expect(ethereum.requests.length - before).toBe(4);
  });

  it("asks for each token by itself where there is no Multicall3", async () => {
    Object.assign(ethereum.state, { hasMulticall: false });
    ethereum.state.balances[WALLET] = 5n;
    ethereum.state.tokens[USDC] = { decimals: 6, balances: { [WALLET]: 7n } };
    const registry = registryOf([token("ethereum", "USDC", USDC), token("ethereum", "GONE", NO_CONTRACT)]);
    expect(await wallets.read({ registry })).toEqual([
      held("ETH-ethereum", "ETH", "ethereum", "0.000000000000000005"),
      held("USDC-ethereum", "USDC", "ethereum", "0.000007", { contract: USDC, decimals: 6 }),
    ]);
  });

  it("never mixes contracts with one symbol, and names them alike whichever the wallet holds", async () => {
    ethereum.state.tokens[USDC] = { decimals: 6, balances: { [WALLET]: 1_000_000n } };
    ethereum.state.tokens[OTHER_USDC] = { decimals: 2, balances: { [WALLET]: 300n } };
    const registry = registryOf([
      token("ethereum", "USDC", USDC),
      token("ethereum", "USDC", OTHER_USDC),
      token("ethereum", "USDC", USDC.toUpperCase().replace("X", "x")),
    ]);
    const second = held("USDC.cccccccc-ethereum", "USDC", "ethereum", "3", {
      contract: OTHER_USDC,
      decimals: 2,
    });
    expect(await wallets.read({ registry })).toEqual([
      held("USDC-ethereum", "USDC", "ethereum", "1", { contract: USDC, decimals: 6 }),
      second,
    ]);
    ethereum.state.tokens[USDC].balances = {};
    expect(await wallets.read({ registry })).toEqual([second]);
  });

  it("keeps a token that calls itself as the chain's coin apart from it", async () => {
    ethereum.state.balances[WALLET] = 10n ** 18n;
    ethereum.state.tokens[DAI] = { decimals: 18, balances: { [WALLET]: 10n ** 21n } };
    const registry = registryOf([token("ethereum", "ETH", DAI)]);
    expect((await wallets.read({ registry })).map(({ asset, quantity }) => [asset, quantity])).toEqual([
      ["ETH-ethereum", "1"],
      ["ETH.bbbbbbbb-ethereum", "1000"],
    ]);
  });

  it("takes a contract that is not there for one that nobody holds anything in", async () => {
    const registry = registryOf([token("ethereum", "GONE", NO_CONTRACT)]);
    expect(await wallets.read({ registry })).toEqual([]);
  });

  it.each([true, false])(
    "is incomplete when a token does not tell (Multicall3: %s)",
    async (hasMulticall) => {
      Object.assign(ethereum.state, { hasMulticall });
      ethereum.state.balances[WALLET] = 1n;
      const registry = registryOf([token("ethereum", "USDC", USDC), token("ethereum", "DAI", DAI)]);
      ethereum.state.tokens[USDC] = { decimals: "reverts", balances: { [WALLET]: 1n } };
      const message = expect.stringMatching(/USDC.*ethereum/);
      expect(await wallets.failure({ registry })).toMatchObject({ kind: "incomplete", message });
      ethereum.state.tokens[USDC] = { decimals: 6, balances: { [WALLET]: 1n }, reverts: true };
      expect(await wallets.failure({ registry })).toMatchObject({ kind: "incomplete", message });
    },
  );

  it("reads the account's chains only", async () => {
    for (const { state } of [ethereum, base]) state.balances[WALLET] = 10n ** 18n;
    const before = ethereum.requests.length;
    const holdings = await wallets.read({
      account: { ...account, enabled_chains: ["base"] },
      registry: registryOf([]),
    });
    expect(holdings).toEqual([held("ETH-base", "ETH", "base", "1")]);
    expect(ethereum.requests).toHaveLength(before);
  });

  it("is incomplete, never empty, when a chain of the account's is not active, or none is", async () => {
    const enabled = { ...account, enabled_chains: ["base", "gone"] };
    expect(await wallets.failure({ account: enabled, registry: registryOf([]) })).toMatchObject({
      kind: "incomplete",
      message: expect.stringMatching(/gone/),
    });
    expect(await wallets.failure()).toMatchObject({ kind: "incomplete" });
  });

  it.each(faults)("is incomplete, naming the chain, when one node answers with %s", async (_, how) => {
    base.misbehave(how);
    ethereum.state.balances[WALLET] = 1n;
    const error = await wallets.failure({ registry: registryOf([]) });
    expect(error).toMatchObject({ kind: "incomplete", message: expect.stringMatching(/^The node of base /) });
  });

  it.each(faults)("fails by what it is when all nodes answer with %s", async (_, how, kind) => {
    for (const node of [ethereum, base]) node.misbehave(how);
    expect(await wallets.failure({ registry: registryOf([]) })).toMatchObject({ kind });
  });

  it.each([
    [-32005, "limit exceeded", "rate_limited"],
    [-32000, "over rate limit", "rate_limited"],
    [-32603, "internal error", "unavailable"],
    [-32000, "header not found", "unavailable"],
    [-32601, "method not found", "unavailable"],
  ])("takes the JSON-RPC error %s (%s) with HTTP 200 for %s", async (code, message, kind) => {
    for (const node of [ethereum, base]) {
      node.misbehave(json({ jsonrpc: "2.0", id: 1, error: { code, message } }));
    }
    expect(await wallets.failure({ registry: registryOf([]) })).toMatchObject({ kind });
  });

  it.each(["0x", "1", "0xzz", null])("does not take %j for a balance", async (result) => {
    base.misbehave(({ body }) =>
      body.includes("eth_getBalance") ? json({ jsonrpc: "2.0", id: 1, result }) : undefined,
    );
    expect(await wallets.failure({ registry: registryOf([]) })).toMatchObject({ kind: "incomplete" });
  });

  it("takes a batch of calls that the node refuses for no answer", async () => {
    const registry = registryOf([token("ethereum", "USDC", USDC)]);
    ethereum.misbehave(({ body }) =>
      body.includes("eth_call")
        ? json({ jsonrpc: "2.0", id: 1, error: { code: 3, message: "execution reverted" } })
        : undefined,
    );
    expect(await wallets.failure({ registry })).toMatchObject({ kind: "incomplete" });
  });

  it("tells how long a node wants to be left alone", async () => {
    base.misbehave(json({}, 429, { "retry-after": "30" }));
    expect(await wallets.failure({ registry: registryOf([]) })).toMatchObject({ retryAfterSeconds: 30 });
  });

  it("does not take another chain's node for the chain's", async () => {
    const registry = registryOf([]);
    base.state.balances[WALLET] = 1n;
    base.state.chainNumber = 10;
    expect(await wallets.failure({ registry })).toMatchObject({
      kind: "incomplete",
      message: expect.stringMatching(/base.*another chain \(10\)/),
    });
  });

  it.each([
    ["https://rpc.example.com/v2/key-of-the-node", /may not ask.*OUTGOING_HOSTS/],
    ["http://mainnet.base.org/", /may not ask/],
    ["https://10.0.0.1/", /may not ask/],
  ])("does not ask a node at %s", async (rpc_url, message) => {
    const chains = [{ id: "base", rpc_url, native_symbol: "ETH", evm_number: 8453 }];
    const error = await wallets.failure({ registry: { chains, evm_tokens: [], solana_tokens: [] } });
    expect(error).toMatchObject({ kind: "unavailable", message: expect.stringMatching(message) });
    expect(error.message).not.toContain("key-of-the-node");
  });

  it("ends at once when it is told to", async () => {
    for (const node of [ethereum, base]) node.misbehave("silent");
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 50);
    await expect(wallets.read({ registry: registryOf([]), signal: controller.signal })).rejects.toBe(reason);
  });
});
