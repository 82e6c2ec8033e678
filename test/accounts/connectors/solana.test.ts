import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { json } from "../../support/providers/provider-server.ts";
import { type SolanaNode, startSolanaNode, TOKEN_2022_PROGRAM } from "../../support/providers/solana-node.ts";
import { faults, type Reading, reading } from "./reading.ts";

const WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM";
const USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
const PYUSD = "2b1kV6DkPAnxd5ixfnxCpjxmKwqjjaYmCZfHsFu24GXo";
const UNKNOWN = "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263";
const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

const account = {
  account_type: "wallet",
  exchange_name: "solana",
  wallet_address: WALLET,
  enabled_chains: null,
} as const;
const registry = {
  chains: [],
  evm_tokens: [],
  solana_tokens: [
    { symbol: "USDC", mint_address: USDC },
    { symbol: "PYUSD", mint_address: PYUSD },
  ],
};
const held = (asset: string, quantity: string, more: object = {}) => ({
  asset,
  symbol: asset.replace(/-solana$/, ""),
  chain: "solana",
  quantity,
  available: quantity,
  frozen: "0",
  ...more,
});
const usdc = (amount: bigint, more: object = {}) => ({
  owner: WALLET,
  mint: USDC,
  amount,
  decimals: 6,
  ...more,
});

let solana: SolanaNode;
let wallets: Reading;

beforeAll(async () => {
  solana = await startSolanaNode();
  wallets = reading({ account, registry }, [solana], { SOLANA_RPC_URL: solana.url });
});
afterAll(() => solana.stop());
beforeEach(() => {
  solana.misbehave();
  Object.assign(solana.state, { lamports: {}, tokenAccounts: [] });
});

describe("the Solana connector", () => {
  it("reads SOL and the tokens of both programs, several accounts of one mint together", async () => {
    solana.state.lamports[WALLET] = 2_500_000_000n;
    solana.state.tokenAccounts = [
      usdc(1_000_000n),
      usdc(250_000n),
      { owner: WALLET, mint: PYUSD, amount: 5n, decimals: 6, program: TOKEN_2022_PROGRAM },
      { owner: USDC, mint: USDC, amount: 9n, decimals: 6 },
    ];
    expect(await wallets.read()).toEqual([
      held("SOL-solana", "2.5", { decimals: 9 }),
      held("USDC-solana", "1.25", { contract: USDC, decimals: 6 }),
      held("PYUSD-solana", "0.000005", { contract: PYUSD, decimals: 6 }),
    ]);
  });

  it("is exact where numbers are not", async () => {
    solana.state.lamports[WALLET] = 9_007_199_254_740_993n;
    solana.state.tokenAccounts = [usdc(18_446_744_073_709_551_615n)];
    expect((await wallets.read()).map(({ quantity }) => quantity)).toEqual([
      "9007199.254740993",
      "18446744073709.551615",
    ]);
  });

  it("tells what is frozen", async () => {
    solana.state.tokenAccounts = [usdc(3_000_000n), usdc(1_000_000n, { state: "frozen" })];
    expect(await wallets.read()).toEqual([
      held("USDC-solana", "4", { available: "3", frozen: "1", contract: USDC, decimals: 6 }),
    ]);
  });

  it("keeps tokens that nobody has registered, by the ends of their mint, and leaves out empty accounts", async () => {
    solana.state.tokenAccounts = [{ owner: WALLET, mint: UNKNOWN, amount: 7n, decimals: 5 }, usdc(0n)];
    expect(await wallets.read()).toEqual([
      held("DezX..B263-solana", "0.00007", { contract: UNKNOWN, decimals: 5 }),
    ]);
  });

  it("is not put out by thousands of tokens that others have sent, nor by amounts without end", async () => {
    const mints = Array.from({ length: 1_200 }, (_, index) =>
      ["6", BASE58[Math.floor(index / 58)], BASE58[index % 58], USDC.slice(3)].join(""),
    );
    solana.state.lamports[WALLET] = 1n;
    solana.state.tokenAccounts = [
      ...mints.map((mint) => ({ owner: WALLET, mint, amount: 1n, decimals: 0 })),
      { owner: WALLET, mint: UNKNOWN, amount: 1n, decimals: 255 },
      usdc(1n),
    ];
    const holdings = await wallets.read();
    expect(holdings).toHaveLength(1_000);
    expect(holdings.slice(0, 2).map(({ asset }) => asset)).toEqual(["SOL-solana", "USDC-solana"]);
    expect(holdings.map(({ contract }) => contract)).not.toContain(UNKNOWN);
  });

  it("tells apart mints whose ends are alike", async () => {
    const alike = `EPjG${USDC.slice(4)}`;
    const others = [alike, `EPjG${alike.slice(4, 12)}A${alike.slice(13)}`];
    solana.state.tokenAccounts = others.map((mint) => ({ owner: WALLET, mint, amount: 1n, decimals: 0 }));
    const keys = (await wallets.read()).map(({ asset }) => asset);
    expect(keys[0]).toBe("EPjG..Dt1v-solana");
    expect(keys[1]).toMatch(/^EPjG\.\.Dt1v\.EPjG\w+-solana$/);
  });

  it.each(faults)("fails as a whole on %s", async (_, how, kind) => {
    solana.misbehave(how);
    expect(await wallets.failure()).toMatchObject({ kind });
  });

  it("takes half an answer for none", async () => {
    solana.state.lamports[WALLET] = 1n;
    solana.misbehave(({ body }) => (body.includes(TOKEN_2022_PROGRAM) ? "reset" : undefined));
    expect(await wallets.failure()).toMatchObject({ kind: "unavailable" });
  });

  it.each([
    [-32005, "Node is behind by 42 slots", "unavailable"],
    [429, "Too many requests", "rate_limited"],
    [-32603, "Internal error", "unavailable"],
  ])("takes the JSON-RPC error %s (%s) with HTTP 200 for %s", async (code, message, kind) => {
    solana.misbehave(json({ jsonrpc: "2.0", id: "1", error: { code, message } }));
    expect(await wallets.failure()).toMatchObject({ kind });
  });

  it.each([
    ["null", { context: { slot: 1 }, value: null }],
    [
      "an account that is not parsed",
      { context: { slot: 1 }, value: [{ account: { data: ["AA==", "base64"] } }] },
    ],
    [
      "an amount that is none",
      {
        context: { slot: 1 },
        value: [
          {
            account: {
              data: { parsed: { info: { mint: USDC, tokenAmount: { amount: "-1", decimals: 6 } } } },
            },
          },
        ],
      },
    ],
  ])("does not understand %s", async (_, result) => {
    solana.misbehave(({ body }) =>
      body.includes("getTokenAccountsByOwner") ? json({ jsonrpc: "2.0", id: "1", result }) : undefined,
    );
    expect(await wallets.failure()).toMatchObject({ kind: "unexpected_answer" });
  });

  it("ends at once when it is told to", async () => {
    solana.misbehave("silent");
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 50);
    await expect(wallets.read({ signal: controller.signal })).rejects.toBe(reason);
  });
});
