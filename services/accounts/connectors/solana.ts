import { type Address, address, createSolanaRpcFromTransport, isAddress } from "@solana/kit";
import { z } from "zod";
import type { OutgoingFetch } from "../../common/outgoing/outgoing.ts";
import { parseWithBigInts } from "../../common/parse-exact.ts";
import { unitsOf } from "./amounts.ts";
import { asking, connectorErrorBehind, rateLimited, unexpected } from "./ask.ts";
import { assetKeys } from "./asset-keys.ts";
import { type Connector, ConnectorError, type ReadHolding, type ReadRequest } from "./connector.ts";
import type { NodeTools } from "./node-tools.ts";

const CHAIN = "solana";
const PROVIDER = "The node of solana";
const NATIVE = { symbol: "SOL", decimals: 9 };
const TOKEN_PROGRAMS = [
  address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"),
  // Token-2022.
  address("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"),
];
/** Anybody may put tokens into a wallet: of those that nobody has registered, no more are kept than fit. */
const MAX_HOLDINGS = 1_000;
/** With more, an amount has more digits than can be kept; only what is meant as a nuisance has. */
const MAX_DECIMALS = 70;
/** JSON-RPC errors of nodes that want fewer requests. */
const RATE_LIMIT_CODES = new Set([429, -32429]);

const Refusal = z.object({ error: z.object({ code: z.coerce.number().int() }) });
const Units = z.string().regex(/^\d{1,20}$/);
const TokenAccounts = z.array(
  z.object({
    account: z.object({
      data: z.object({
        parsed: z.object({
          info: z.object({
            mint: z.string().refine(isAddress),
            state: z.enum(["initialized", "frozen", "uninitialized"]).optional(),
            tokenAmount: z.object({ amount: Units, decimals: z.int().min(0).max(255) }),
          }),
        }),
      }),
    }),
  }),
);
type TokenAccount = z.infer<typeof TokenAccounts>[number];

/** All that is in a wallet of one mint. */
interface Held {
  readonly mint: string;
  readonly decimals: number;
  readonly units: bigint;
  readonly frozenUnits: bigint;
}

/** Reads wallets on Solana: SOL, and all tokens of both token programs. @param rpcUrl of a node. */
export function solanaConnector(tools: NodeTools, rpcUrl: string): Connector {
  return {
    async read(request) {
      const owner = request.account.wallet_address ?? "";
      if (!isAddress(owner)) {
        throw new ConnectorError("unexpected_answer", "The account's address is no Solana address.");
      }
      const [lamports, ...accounts] = await Promise.all(
        questions(tools, rpcUrl, request.signal, owner),
      ).catch((error: unknown) => {
        throw request.signal.aborted
          ? request.signal.reason
          : (connectorErrorBehind(error) ?? unexpected(PROVIDER));
      });
      const units = z.bigint().nonnegative().safeParse(lamports);
      const parsed = z.array(TokenAccounts).safeParse(accounts);
      if (!units.success || !parsed.success) throw unexpected(PROVIDER);
      return holdingsOf(units.data, byMint(parsed.data.flat()), request.registry.solana_tokens);
    },
  };
}

function questions(
  tools: NodeTools,
  url: string,
  signal: AbortSignal,
  owner: Address,
): readonly Promise<unknown>[] {
  const rpc = rpcOf(asking(tools.outgoing, PROVIDER, signal), url);
  return [
    rpc
      .getBalance(owner)
      .send()
      .then(({ value }) => value),
    ...TOKEN_PROGRAMS.map((programId) =>
      rpc
        .getTokenAccountsByOwner(owner, { programId }, { encoding: "jsonParsed" })
        .send()
        .then(({ value }) => value),
    ),
  ];
}

/** The kit's client over our own way out; lamports may be more than a JavaScript number can tell. */
function rpcOf(ask: OutgoingFetch, url: string) {
  return createSolanaRpcFromTransport(
    async <Answer>({ payload, signal }: { payload: unknown; signal?: AbortSignal }) => {
      const response = await ask(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(payload),
        ...(signal && { signal }),
      });
      if (response.status !== 200) {
        const message = `${PROVIDER} refuses to answer (HTTP ${response.status}): an administrator should look at its URL.`;
        throw new ConnectorError("unavailable", message);
      }
      const answer = parseWithBigInts(await response.text());
      refuse(answer);
      return answer as Answer;
    },
  );
}

/** An error comes with HTTP 200. @throws ConnectorError */
function refuse(answer: unknown): void {
  const { success, data } = Refusal.safeParse(answer);
  if (!success) return;
  const code = Number(data.error.code);
  if (RATE_LIMIT_CODES.has(code)) throw rateLimited(PROVIDER);
  throw new ConnectorError("unavailable", `${PROVIDER} does not answer just now (JSON-RPC code ${code}).`);
}

/** Several accounts of one mint add up. */
function byMint(accounts: readonly TokenAccount[]): readonly Held[] {
  const held = new Map<string, Held>();
  for (const { account } of accounts) {
    const { mint, state, tokenAmount } = account.data.parsed.info;
    const units = BigInt(tokenAmount.amount);
    const before = held.get(mint) ?? { mint, decimals: tokenAmount.decimals, units: 0n, frozenUnits: 0n };
    if (before.decimals !== tokenAmount.decimals) throw unexpected(PROVIDER);
    const frozenUnits = before.frozenUnits + (state === "frozen" ? units : 0n);
    held.set(mint, { ...before, units: before.units + units, frozenUnits });
  }
  return [...held.values()].filter(({ units, decimals }) => units > 0n && decimals <= MAX_DECIMALS);
}

function holdingsOf(
  lamports: bigint,
  held: readonly Held[],
  registered: ReadRequest["registry"]["solana_tokens"],
): readonly ReadHolding[] {
  const symbols = new Map(registered.map(({ mint_address, symbol }) => [mint_address, symbol]));
  const unknown = held
    .map(({ mint }) => mint)
    .filter((mint) => !symbols.has(mint))
    .toSorted();
  const names = [
    ...[...symbols].map(([contract, symbol]) => ({ contract, symbol })),
    ...unknown.map((contract) => ({ contract, symbol: `${contract.slice(0, 4)}..${contract.slice(-4)}` })),
  ];
  const [nativeKey = "", ...keys] = assetKeys(CHAIN, [
    { symbol: NATIVE.symbol, contract: undefined },
    ...names,
  ]);
  const byContract = new Map(held.map((each) => [each.mint, each]));
  const tokens = names.flatMap(({ contract, symbol }, index): ReadHolding[] => {
    const each = byContract.get(contract);
    return each ? [{ asset: keys[index] ?? "", symbol, chain: CHAIN, contract, ...amounts(each) }] : [];
  });
  const native = { asset: nativeKey, symbol: NATIVE.symbol, chain: CHAIN };
  const sol = { ...native, ...amounts({ units: lamports, frozenUnits: 0n, decimals: NATIVE.decimals }) };
  return [...(lamports > 0n ? [sol] : []), ...tokens].slice(0, MAX_HOLDINGS);
}

function amounts({ units, frozenUnits, decimals }: Omit<Held, "mint">) {
  return {
    quantity: unitsOf(units, decimals),
    available: unitsOf(units - frozenUnits, decimals),
    frozen: unitsOf(frozenUnits, decimals),
    decimals,
  };
}
