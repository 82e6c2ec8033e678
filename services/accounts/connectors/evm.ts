import { decodeFunctionResult, encodeFunctionData, erc20Abi, getAddress, type Hex, isAddress } from "viem";
import { unitsOf } from "./amounts.ts";
import { asking } from "./ask.ts";
import { assetKeys } from "./asset-keys.ts";
import { type Connector, ConnectorError, type ReadHolding, type ReadRequest } from "./connector.ts";
import { decoded, type EvmNode, evmNode, type Returned } from "./evm-node.ts";
import type { NodeTools } from "./node-tools.ts";
import { withinLimit } from "./within-limit.ts";

type Chain = ReadRequest["registry"]["chains"][number];

/** A contract of the registry's, with the key that its holdings have. */
interface Token {
  readonly symbol: string;
  readonly contract: Hex;
  readonly key: string;
}

const MAX_CHAINS_AT_ONCE = 4;
/** That of every EVM chain's own coin. */
const NATIVE_DECIMALS = 18;

/** Reads wallets on EVM chains: each chain's own coin, and the tokens of the registry. All chains, or nothing. */
export function evmConnector(tools: NodeTools): Connector {
  return {
    async read(request) {
      const address = request.account.wallet_address ?? "";
      if (!isAddress(address, { strict: false })) {
        throw new ConnectorError("unexpected_answer", "The account's address is no EVM address.");
      }
      const chains = chainsOf(request);
      const outcomes = await withinLimit(chains, MAX_CHAINS_AT_ONCE, async (chain) => {
        try {
          request.signal.throwIfAborted();
          return await readChain(tools, request, chain, address);
        } catch (error) {
          request.signal.throwIfAborted();
          if (error instanceof ConnectorError) return error;
          throw error;
        }
      });
      const errors = outcomes.filter((outcome) => outcome instanceof ConnectorError);
      if (errors.length > 0) throw failureOf(errors, chains.length);
      return outcomes.flatMap((outcome) => (outcome instanceof ConnectorError ? [] : outcome));
    },
  };
}

/** @throws ConnectorError rather than leaving out a chain that the user wants read. */
function chainsOf({ account: { enabled_chains }, registry }: ReadRequest): readonly Chain[] {
  const known = new Map(registry.chains.map((chain) => [chain.id, chain]));
  const ids = [...new Set(enabled_chains ?? known.keys())];
  const missing = ids.filter((id) => !known.has(id));
  if (missing.length > 0) {
    const message = `The account is to be read on ${missing.join(", ")}, which is not active here any more: change its chains.`;
    throw new ConnectorError("incomplete", message);
  }
  if (ids.length === 0) {
    throw new ConnectorError("incomplete", "There is no active chain that the account could be read on.");
  }
  return ids.flatMap((id) => known.get(id) ?? []);
}

/** With all chains failed in one way it is that; else an incomplete reading. */
function failureOf(errors: readonly ConnectorError[], chainCount: number): ConnectorError {
  const kinds = new Set(errors.map(({ kind }) => kind));
  const [first, ...others] = errors;
  const more = others.length === 0 ? "" : ` So it is with ${others.length} more of its chains.`;
  const waits = errors.flatMap(({ retryAfterSeconds }) => retryAfterSeconds ?? []);
  const retryAfterSeconds = waits.length > 0 ? Math.max(...waits) : undefined;
  const isAll = errors.length === chainCount && kinds.size === 1;
  const kind = isAll && first ? first.kind : "incomplete";
  return new ConnectorError(kind, `${first?.message ?? ""}${more}`, retryAfterSeconds);
}

async function readChain(
  tools: NodeTools,
  request: ReadRequest,
  chain: Chain,
  address: Hex,
): Promise<readonly ReadHolding[]> {
  const provider = `The node of ${chain.id}`;
  const ask = asking(tools.outgoing, provider, request.signal);
  const node = evmNode(chain.rpc_url, provider, ask, tools.timeoutMs);
  await checkChain(node, chain);
  const [nativeKey = "", ...keys] = assetKeys(chain.id, [
    { symbol: chain.native_symbol, contract: undefined },
    ...contractsOf(request, chain.id),
  ]);
  const tokens = contractsOf(request, chain.id).map((token, index) => ({ ...token, key: keys[index] ?? "" }));
  const units = await node.balance(address);
  const native = {
    asset: nativeKey,
    symbol: chain.native_symbol,
    chain: chain.id,
    ...amounts(units, NATIVE_DECIMALS),
  };
  return [...(units > 0n ? [native] : []), ...(await readTokens(node, chain, tokens, address))];
}

/** A URL of another chain's node would answer, too: with what is in the wallet there. */
async function checkChain(node: EvmNode, { id, evm_number }: Chain): Promise<void> {
  if (evm_number === undefined) return;
  const number = await node.chainNumber();
  if (number === evm_number) return;
  const message = `The node of ${id} is one of another chain (${number}): an administrator should look at its URL.`;
  throw new ConnectorError("unexpected_answer", message);
}

/** The registry's contracts on a chain, in its order, each once. */
function contractsOf({ registry }: ReadRequest, chain: string): readonly Omit<Token, "key">[] {
  const contracts = new Map<Hex, Omit<Token, "key">>();
  for (const { chain: on, symbol, contract_address } of registry.evm_tokens) {
    if (on !== chain || !isAddress(contract_address, { strict: false })) continue;
    const address = getAddress(contract_address);
    if (!contracts.has(address)) contracts.set(address, { symbol, contract: contract_address });
  }
  return [...contracts.values()];
}

async function readTokens(
  node: EvmNode,
  { id }: Chain,
  tokens: readonly Token[],
  address: Hex,
): Promise<readonly ReadHolding[]> {
  const balanceOf = encodeFunctionData({ abi: erc20Abi, functionName: "balanceOf", args: [address] });
  const decimals = encodeFunctionData({ abi: erc20Abi, functionName: "decimals" });
  const returned = await node.callAll(tokens.map(({ contract }) => ({ to: contract, data: balanceOf })));
  const held = tokens
    .map((token, index) => ({ ...token, units: balanceIn(token, id, returned[index]) }))
    .filter(({ units }) => units > 0n);
  const places = await node.callAll(held.map(({ contract }) => ({ to: contract, data: decimals })));
  return held.map((token, index) => {
    const { key, symbol, contract, units } = token;
    return {
      asset: key,
      symbol,
      chain: id,
      contract,
      ...amounts(units, decimalsIn(token, id, places[index])),
    };
  });
}

/** Where there is no contract, nobody has anything in it. @throws ConnectorError when one does not tell. */
function balanceIn(token: Token, chain: string, returned: Returned): bigint {
  if (returned === "0x") return 0n;
  const answer = answered(token, chain, returned, "its balance");
  return decoded(nameOf(token, chain), () =>
    decodeFunctionResult({ abi: erc20Abi, functionName: "balanceOf", data: answer }),
  );
}

function decimalsIn(token: Token, chain: string, returned: Returned): number {
  const answer = answered(token, chain, returned === "0x" ? undefined : returned, "how many decimals it has");
  return decoded(nameOf(token, chain), () =>
    decodeFunctionResult({ abi: erc20Abi, functionName: "decimals", data: answer }),
  );
}

function answered(token: Token, chain: string, returned: Returned, what: string): Hex {
  if (returned !== undefined) return returned;
  throw new ConnectorError("incomplete", `${nameOf(token, chain)} does not tell ${what}.`);
}

function nameOf({ symbol, contract }: Token, chain: string): string {
  return `The token ${symbol} (${contract}) on ${chain}`;
}

function amounts(units: bigint, decimals: number) {
  const quantity = unitsOf(units, decimals);
  return { quantity, available: quantity, frozen: "0", decimals };
}
