import {
  decodeFunctionData,
  encodeFunctionResult,
  erc20Abi,
  getAddress,
  type Hex,
  multicall3Abi,
  numberToHex,
} from "viem";
import { jsonRpc, NodeError, type ProviderServer, startProvider } from "./provider-server.ts";

/** An ERC-20 contract. */
export interface EvmToken {
  /** `reverts`: asking for it fails. */
  decimals: number | "reverts";
  /** Smallest units by address. */
  balances: Record<string, bigint>;
  /** Asking for a balance fails. */
  reverts?: boolean;
}

export interface EvmState {
  chainNumber: number;
  /** Smallest units of the chain's own coin by address. */
  balances: Record<string, bigint>;
  /** By contract. */
  tokens: Record<string, EvmToken>;
  /** Some chains have no Multicall3. */
  hasMulticall: boolean;
}

export interface EvmNode extends ProviderServer {
  /** Change it as the test goes on. */
  readonly state: EvmState;
  /** How often each method was asked for. */
  methods(): Readonly<Record<string, number>>;
}

const MULTICALL = "0xcA11bde05977b3631167028862bE2a173976CA11";

/** A node of an EVM chain: its number, its coin, its ERC-20 contracts, and Multicall3, which most chains have. */
export async function startEvmNode(given: Partial<EvmState> = {}): Promise<EvmNode> {
  const state: EvmState = { chainNumber: 1, balances: {}, tokens: {}, hasMulticall: true, ...given };
  const server = await startProvider(jsonRpc((method, params) => resultOf(state, method, params)));
  return Object.assign(server, {
    state,
    methods() {
      const counts: Record<string, number> = {};
      for (const { body } of server.requests) {
        const { method } = JSON.parse(body) as { method: string };
        counts[method] = (counts[method] ?? 0) + 1;
      }
      return counts;
    },
  });
}

function resultOf(state: EvmState, method: string, params: readonly unknown[]): unknown {
  const [first] = params;
  switch (method) {
    case "eth_chainId":
      return numberToHex(state.chainNumber);
    case "eth_getBalance":
      return numberToHex(amountOf(state.balances, first as Hex));
    case "eth_call": {
      const { to, data } = first as { to: Hex; data: Hex };
      const returned = call(state, to, data);
      if (returned === undefined) throw new NodeError(3, "execution reverted");
      return returned;
    }
    default:
      throw new NodeError(-32601, `the method ${method} does not exist/is not available`);
  }
}

/** Undefined: reverted. */
function call(state: EvmState, to: Hex, data: Hex): Hex | undefined {
  if (getAddress(to) === MULTICALL) return state.hasMulticall ? aggregate(state, data) : "0x";
  const token = Object.entries(state.tokens).find(
    ([contract]) => getAddress(contract) === getAddress(to),
  )?.[1];
  if (!token) return "0x";
  const { functionName, args } = decodeFunctionData({ abi: erc20Abi, data });
  if (functionName === "balanceOf") {
    if (token.reverts) return undefined;
    const result = amountOf(token.balances, args[0]);
    return encodeFunctionResult({ abi: erc20Abi, functionName, result });
  }
  if (functionName !== "decimals" || token.decimals === "reverts") return undefined;
  return encodeFunctionResult({ abi: erc20Abi, functionName, result: token.decimals });
}

function aggregate(state: EvmState, data: Hex): Hex {
  const { functionName, args } = decodeFunctionData({ abi: multicall3Abi, data });
  if (functionName !== "aggregate3") throw new NodeError(3, "execution reverted");
  const calls = args[0] as readonly { target: Hex; allowFailure: boolean; callData: Hex }[];
  const result = calls.map(({ target, allowFailure, callData }) => {
    const returned = call(state, target, callData);
    if (returned === undefined && !allowFailure)
      throw new NodeError(3, "execution reverted: Multicall3: call failed");
    return { success: returned !== undefined, returnData: returned ?? "0x" };
  });
  return encodeFunctionResult({ abi: multicall3Abi, functionName: "aggregate3", result });
}

function amountOf(balances: Readonly<Record<string, bigint>>, address: Hex): bigint {
  return Object.entries(balances).find(([of]) => getAddress(of) === getAddress(address))?.[1] ?? 0n;
}
