import { type Answer, NodeError, type ProviderServer, startProvider } from "./provider-server.ts";

export const TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
export const TOKEN_2022_PROGRAM = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";

/** An account for tokens of one mint. */
export interface SolanaTokenAccount {
  readonly owner: string;
  readonly mint: string;
  /** Smallest units. */
  readonly amount: bigint;
  readonly decimals: number;
  readonly state?: "initialized" | "frozen";
  readonly program?: typeof TOKEN_PROGRAM | typeof TOKEN_2022_PROGRAM;
}

export interface SolanaState {
  /** By address. */
  lamports: Record<string, bigint>;
  tokenAccounts: SolanaTokenAccount[];
}

export interface SolanaNode extends ProviderServer {
  /** Change it as the test goes on. */
  readonly state: SolanaState;
}

/** A Solana node: getBalance and getTokenAccountsByOwner with jsonParsed. */
export async function startSolanaNode(given: Partial<SolanaState> = {}): Promise<SolanaNode> {
  const state: SolanaState = { lamports: {}, tokenAccounts: [], ...given };
  const server = await startProvider(({ body }): Answer => {
    const { id, method, params } = JSON.parse(body) as { id: string; method: string; params: unknown[] };
    // Lamports are numbers in its JSON, and may be larger than JavaScript's.
    const quotedId = JSON.stringify(id);
    try {
      return { body: `{"jsonrpc":"2.0","id":${quotedId},"result":${resultOf(state, method, params)}}` };
    } catch (error) {
      const { code, message } = error as NodeError;
      return { body: JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } }) };
    }
  });
  return Object.assign(server, { state });
}

const CONTEXT = '"context":{"apiVersion":"2.3.6","slot":341197933}';

function resultOf(state: SolanaState, method: string, [owner, filter, options]: readonly unknown[]): string {
  if (method === "getBalance") return `{${CONTEXT},"value":${state.lamports[String(owner)] ?? 0n}}`;
  if (method !== "getTokenAccountsByOwner") throw new NodeError(-32601, "Method not found");
  if ((options as { encoding?: string } | undefined)?.encoding !== "jsonParsed") {
    throw new NodeError(-32602, "this node answers jsonParsed only");
  }
  const { programId } = filter as { programId?: string };
  const accounts = state.tokenAccounts
    .filter((account) => account.owner === owner && (account.program ?? TOKEN_PROGRAM) === programId)
    .map(accountOf);
  return `{${CONTEXT},"value":${JSON.stringify(accounts)}}`;
}

function accountOf(account: SolanaTokenAccount) {
  const { owner, mint, amount, decimals, state = "initialized", program = TOKEN_PROGRAM } = account;
  const text = amount.toString();
  const uiAmount = Number(amount) / 10 ** decimals;
  const tokenAmount = { amount: text, decimals, uiAmount, uiAmountString: String(uiAmount) };
  return {
    account: {
      data: {
        parsed: { info: { isNative: false, mint, owner, state, tokenAmount }, type: "account" },
        program: program === TOKEN_PROGRAM ? "spl-token" : "spl-token-2022",
        space: 165,
      },
      executable: false,
      lamports: 2039280,
      owner: program,
      rentEpoch: 0,
      space: 165,
    },
    pubkey: "C2gJg6tKpQs41PRS1nC8aw3ZKNZK3HQQZGVrDFDup5nx",
  };
}
