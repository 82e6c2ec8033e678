import {
  BaseError,
  createClient,
  decodeFunctionResult,
  encodeFunctionData,
  type Hex,
  HttpRequestError,
  http,
  isHex,
  multicall3Abi,
  RpcRequestError,
} from "viem";
import type { OutgoingFetch } from "../../common/outgoing/outgoing.ts";
import { connectorErrorBehind, rateLimited, unexpected } from "./ask.ts";
import { ConnectorError } from "./connector.ts";
import { withinLimit } from "./within-limit.ts";

/** The same on all chains that have it. */
const MULTICALL = "0xcA11bde05977b3631167028862bE2a173976CA11";
/** So many calls go into one of its calls, well within what nodes let one call cost, */
const MAX_CALLS_AT_ONCE = 100;
/** and so many single calls are under way at once where there is no Multicall3. */
const MAX_SINGLE_CALLS = 4;

/** A call of a contract's function. */
export interface ContractCall {
  readonly to: Hex;
  readonly data: Hex;
}

/** What it returned, `0x` where there is no contract; undefined: it was reverted. */
export type Returned = Hex | undefined;

/** A chain's node, as far as balances need it. Whatever it throws is a ConnectorError, or that the work was stopped. */
export interface EvmNode {
  /** The chain's own number, and its own coin's smallest units at an address. */
  chainNumber(): Promise<number>;
  balance(address: Hex): Promise<bigint>;
  /** Many calls as few requests; the results in the calls' order. */
  callAll(calls: readonly ContractCall[]): Promise<readonly Returned[]>;
}

/**
 * @param provider begins the messages of errors.
 * @param timeoutMs for one request.
 */
export function evmNode(url: string, provider: string, fetch: OutgoingFetch, timeoutMs: number): EvmNode {
  // viem's own time limit is behind ours, which says what was the matter.
  const transport = http(url, { fetchFn: fetch, retryCount: 0, timeout: timeoutMs * 2 });
  const { request } = createClient({ transport });
  let hasMulticall = true;

  async function asked(work: () => Promise<unknown>): Promise<Hex> {
    let answer: unknown;
    try {
      answer = await work();
    } catch (error) {
      throw nodeError(provider, error);
    }
    if (!isHex(answer)) throw unexpected(provider);
    return answer;
  }

  const call = ({ to, data }: ContractCall) =>
    asked(() => request({ method: "eth_call", params: [{ to, data }, "latest"] }));

  async function callOne(one: ContractCall): Promise<Returned> {
    try {
      return await call(one);
    } catch (error) {
      if (error instanceof Reverted) return undefined;
      throw error;
    }
  }

  /** Undefined when the chain has no Multicall3. */
  async function callTogether(calls: readonly ContractCall[]): Promise<readonly Returned[] | undefined> {
    const args = [calls.map(({ to, data }) => ({ target: to, allowFailure: true, callData: data }))] as const;
    const data = encodeFunctionData({ abi: multicall3Abi, functionName: "aggregate3", args });
    const answer = await call({ to: MULTICALL, data });
    if (answer === "0x") return undefined;
    const results = decoded(provider, () =>
      decodeFunctionResult({ abi: multicall3Abi, functionName: "aggregate3", data: answer }),
    );
    if (results.length !== calls.length) throw unexpected(provider);
    return results.map(({ success, returnData }) => (success ? returnData : undefined));
  }

  return {
    async chainNumber() {
      return Number(quantityIn(provider, await asked(() => request({ method: "eth_chainId" }))));
    },
    async balance(address) {
      const answer = await asked(() => request({ method: "eth_getBalance", params: [address, "latest"] }));
      return quantityIn(provider, answer);
    },
    async callAll(calls) {
      const returned: Returned[] = [];
      for (let start = 0; start < calls.length && hasMulticall; start += MAX_CALLS_AT_ONCE) {
        const results = await callTogether(calls.slice(start, start + MAX_CALLS_AT_ONCE));
        if (results) returned.push(...results);
        else hasMulticall = false;
      }
      if (returned.length === calls.length) return returned;
      return [...returned, ...(await withinLimit(calls.slice(returned.length), MAX_SINGLE_CALLS, callOne))];
    },
  };
}

function quantityIn(provider: string, hex: Hex): bigint {
  if (hex === "0x") throw unexpected(provider);
  return BigInt(hex);
}

/** What a contract returned, read. @throws ConnectorError when it is not what such a function returns. */
export function decoded<Result>(provider: string, decode: () => Result): Result {
  try {
    return decode();
  } catch {
    throw unexpected(provider);
  }
}

/** The contract itself ended the call. */
class Reverted extends ConnectorError {
  constructor(provider: string) {
    super("unexpected_answer", `${provider} says that a contract refuses to answer.`);
  }
}

/** EIP-1474 and the habits of nodes. */
const RATE_LIMIT_CODES = new Set([429, -32005, -32007, -32029, -32097]);
const REVERTED_CODE = 3;

/** viem's errors hold the URL, with whatever key is in it: of them, only numbers come out. */
function nodeError(provider: string, error: unknown): unknown {
  const ours = connectorErrorBehind(error);
  if (ours) return ours;
  if (!(error instanceof BaseError)) return error instanceof SyntaxError ? unexpected(provider) : error;
  const refusal = error.walk((cause) => cause instanceof RpcRequestError);
  if (refusal instanceof RpcRequestError) return refused(provider, refusal);
  const reply = error.walk((cause) => cause instanceof HttpRequestError);
  const status = reply instanceof HttpRequestError ? reply.status : undefined;
  if (status === undefined) return unexpected(provider);
  const message = `${provider} refuses to answer (HTTP ${status}): an administrator should look at its URL.`;
  return new ConnectorError("unavailable", message);
}

function refused(provider: string, { code, details }: RpcRequestError): ConnectorError {
  if (RATE_LIMIT_CODES.has(code) || /rate.?limit|too many requests/i.test(details)) {
    return rateLimited(provider);
  }
  if (code === REVERTED_CODE || /\brevert/i.test(details)) return new Reverted(provider);
  return new ConnectorError("unavailable", `${provider} does not answer just now (JSON-RPC code ${code}).`);
}
