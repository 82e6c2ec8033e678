import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import auth from "../../services/auth/auth.service.ts";
import { EvmChain, EvmToken } from "../../services/market/contract.ts";
import market from "../../services/market/market.service.ts";
import portfolios from "../../services/portfolios/portfolios.service.ts";
import users from "../../services/users/users.service.ts";
import { expectProblem, type Send, type SendOptions, senderTo } from "../gateway/http.ts";
import { type InProcess, startGateway } from "../gateway/in-process.ts";

const CHAIN = { name: "Polygon", rpc_url: "https://rpc.example.com" };

let services: InProcess;
let send: Send;
let administratorToken: string;

beforeAll(async () => {
  services = await startGateway([auth, users, portfolios, market]);
  send = senderTo(services);
  administratorToken = await services.issuer.token("administrator", {
    claims: { realm_access: { roles: ["administrator"] }, azp: "front-end" },
  });
});
afterAll(() => services.stop());

function administer(method: string, path: string, { headers, ...options }: SendOptions = {}) {
  const authorization = { Authorization: `Bearer ${administratorToken}` };
  return send(undefined, method, path, { ...options, headers: { ...headers, ...authorization } });
}

async function createChain(): Promise<EvmChain> {
  const chain_id = `chain_${randomUUID().slice(0, 8)}`;
  const reply = await administer("POST", "/v1/evm-chains", { body: { ...CHAIN, chain_id } });
  expect(reply.status).toBe(201);
  const chain = EvmChain.parse(await reply.json());
  expect(reply.headers.get("location")).toBe(`/v1/evm-chains/${chain.id}`);
  expect(reply.headers.get("etag")).toMatch(/^"1\.[\w-]{27}"$/);
  return chain;
}

describe("GET /v1/chains", () => {
  it.each(["/v1/chains", "/api/v1/chains"])("answers anyone at %s", async (path) => {
    const reply = await send(undefined, "GET", path, { headers: { "Content-Type": "application/json" } });
    expect(reply.status).toBe(200);
    const { chains } = (await reply.json()) as { chains: object[] };
    expect(chains[0]).toEqual({ id: "ethereum", name: "Ethereum", native_symbol: "ETH" });
    expect(chains.at(-1)).toEqual({ id: "solana", name: "Solana", native_symbol: "SOL" });
  });
});

describe("/v1/evm-chains", () => {
  it("answers every signed-in user with a bare array, and nobody else", async () => {
    const reply = await send("someone", "GET", "/api/v1/evm-chains");
    expect(reply.status).toBe(200);
    const chains = EvmChain.array().parse(await reply.json());
    expect(chains.map(({ chain_id }) => chain_id)).toContain("hyper_liquid");
    expect(chains.every((chain) => !("rpc_url" in chain))).toBe(true);
    await expectProblem(await send(undefined, "GET", "/v1/evm-chains"), "UNAUTHENTICATED", 401);
  });

  it("answers administrators with the nodes' URLs", async () => {
    const chains = EvmChain.array().parse(await (await administer("GET", "/v1/evm-chains")).json());
    expect(chains.every(({ rpc_url }) => rpc_url?.startsWith("https://"))).toBe(true);
  });

  it("takes what the existing front end sends, and changes of a version", async () => {
    const { id } = await createChain();
    const path = `/v1/evm-chains/${id}`;
    const changes = { name: "Renamed", rpc_url: "https://other.example.com", is_active: false };
    const changed = await administer("PUT", path, { body: changes, headers: { "If-Match": '"1"' } });
    expect(await changed.json()).toMatchObject({ id, ...changes, native_symbol: "ETH", version: 2 });
    const late = await administer("PUT", path, { body: changes, headers: { "If-Match": '"1"' } });
    await expectProblem(late, "PRECONDITION_FAILED", 412);
    expect((await administer("GET", path)).headers.get("etag")).toMatch(/^"2\.[\w-]{27}"$/);
    expect((await administer("DELETE", path)).status).toBe(204);
    await expectProblem(await administer("DELETE", path), "CHAIN_NOT_FOUND", 404);
  });

  it("refuses a repeat with 409, and users' writes with 403", async () => {
    const { id, chain_id } = await createChain();
    const body = { ...CHAIN, chain_id };
    await expectProblem(await administer("POST", "/v1/evm-chains", { body }), "ALREADY_REGISTERED", 409);
    for (const [method, path, options] of [
      ["POST", "/v1/evm-chains", { body }],
      ["PUT", `/v1/evm-chains/${id}`, { body: { name: "x" } }],
      ["DELETE", `/v1/evm-chains/${id}`, {}],
      ["POST", "/v1/evm-tokens/sync-from-contracts", {}],
    ] as const) {
      await expectProblem(await send("someone", method, path, options), "FORBIDDEN", 403);
    }
  });

  it("refuses a node inside the network, and an id in the body", async () => {
    const body = { ...CHAIN, chain_id: "inside", rpc_url: "https://169.254.169.254/" };
    const path = "/v1/evm-chains";
    await expectProblem(await administer("POST", path, { body }), "VALIDATION_FAILED", 400, ["/rpc_url"]);
    const { id } = await createChain();
    const reply = await administer("PUT", `${path}/${id}`, { body: { id } });
    await expectProblem(reply, "VALIDATION_FAILED", 400, ["/id"]);
  });
});

describe("/v1/evm-tokens and /v1/solana-tokens", () => {
  it("filter by chain and by use, and page", async () => {
    const list = async (query: string) =>
      EvmToken.array().parse(await (await send("someone", "GET", `/v1/evm-tokens${query}`)).json());
    expect((await list("?chain=base&is_active=true")).map(({ symbol }) => symbol)).toContain("cbBTC");
    expect(await list("?is_active=false")).toEqual([]);
    const page = await send("someone", "GET", "/v1/evm-tokens?chain=base&limit=4");
    expect(page.headers.get("link")).toMatch(
      /^<\/v1\/evm-tokens\?chain=base&limit=4&cursor=.+>; rel="next"$/,
    );
    for (const [query, pointer] of [
      ["is_active=yes", "/is_active"],
      ["chain=", "/chain"],
      ["symbol=ETH", "/symbol"],
    ]) {
      const reply = await send("someone", "GET", `/v1/evm-tokens?${query}`);
      await expectProblem(reply, "VALIDATION_FAILED", 400, [pointer as string]);
    }
  });

  it("are looked up by symbol on a path that is no id", async () => {
    const path = "/v1/evm-tokens/lookup-contracts";
    const found = await send("someone", "GET", `${path}?symbol=cbBTC`);
    expect(await found.json()).toEqual({
      symbol: "cbBTC",
      coin_id: expect.any(String),
      coin_name: "Coinbase Wrapped BTC",
      contracts: ["ethereum", "arbitrum", "base"].map((chain) => ({
        chain,
        contract_address: "0xcbB7C0000aB88B473b1f5aFd9ef808440eed33Bf",
      })),
    });
    await expectProblem(await send("someone", "GET", `${path}?symbol=NONE`), "ASSET_NOT_FOUND", 404);
    await expectProblem(await send("someone", "GET", path), "VALIDATION_FAILED", 400, ["/symbol"]);
  });

  it("sync without a body, whatever its content type says", async () => {
    const reply = await administer("POST", "/v1/evm-tokens/sync-from-contracts", {
      headers: { "Content-Type": "application/json" },
    });
    expect(reply.status).toBe(200);
    expect(await reply.json()).toEqual({ inserted: expect.any(Number), skipped: expect.any(Number) });
  });

  it("answer 404, 409 and 422 where the original does or should", async () => {
    const token = { chain: "ethereum", symbol: "USDC" };
    const contract_address = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48";
    const post = (body: object) => administer("POST", "/v1/evm-tokens", { body });
    await expectProblem(await post({ ...token, contract_address }), "ALREADY_REGISTERED", 409);
    const elsewhere = { ...token, contract_address, chain: "nowhere" };
    await expectProblem(await post(elsewhere), "UNKNOWN_CHAIN", 422, ["/chain"]);
    for (const registry of ["evm-tokens", "solana-tokens"]) {
      const path = `/v1/${registry}/${randomUUID()}`;
      await expectProblem(await send("someone", "GET", path), "REGISTERED_TOKEN_NOT_FOUND", 404);
      await expectProblem(await administer("DELETE", path), "REGISTERED_TOKEN_NOT_FOUND", 404);
    }
    const body = { symbol: "USDC", mint_address: "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v" };
    await expectProblem(await administer("POST", "/v1/solana-tokens", { body }), "ALREADY_REGISTERED", 409);
  });
});

describe("what has no route", () => {
  it.each(["/v1/quotes", "/market/quotes", "/market.quotes"])("is not found at %s", async (path) => {
    await expectProblem(await administer("POST", path, { body: { assets: [] } }), "ROUTE_NOT_FOUND", 404);
  });
});
