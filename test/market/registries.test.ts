import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { EvmChain, EvmToken, SolanaToken } from "../../services/market/contract.ts";
import { startMarket, type TestMarket } from "./service.ts";

const RPC_URL = "https://rpc.example.com/v1/key";
/** A checksummed address that no seed has. */
const ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const MINT = "So11111111111111111111111111111111111111112";

let service: TestMarket;

beforeAll(async () => {
  service = await startMarket();
});
afterAll(() => service.stop());

interface Page<Row> {
  readonly items: Row[];
  readonly next_cursor?: string;
}

function chainId(): string {
  return `chain_${randomUUID().slice(0, 8)}`;
}

function createChain(members: object = {}): Promise<EvmChain> {
  return service.asAdministrator("createEvmChain", {
    chain_id: chainId(),
    name: "Test",
    rpc_url: RPC_URL,
    ...members,
  });
}

function refusedAt(pointer: string) {
  return { type: "VALIDATION_FAILED", data: { errors: [{ pointer }] } };
}

describe("market.listChains and market.knownChains", () => {
  it("answer the seven chains, the public list with Solana last", async () => {
    const { chains } = await service.asService<{ chains: { id: string }[] }>("listChains", {});
    const evm = ["ethereum", "arbitrum", "optimism", "base", "bsc", "hyper_liquid", "mantle"];
    expect(chains.map(({ id }) => id)).toEqual([...evm, "solana"]);
    expect(chains.at(-1)).toEqual({ id: "solana", name: "Solana", native_symbol: "SOL" });
    const internal = await service.asService<{ id: string }[]>("knownChains", {});
    expect(internal.map(({ id }) => id)).toEqual(evm);
    expect(internal[0]).toEqual({ id: "ethereum", name: "Ethereum", native_symbol: "ETH", is_active: true });
  });

  it("tell other services of chains that are not in use, and clients not", async () => {
    const { chain_id } = await createChain({ is_active: false });
    const { chains } = await service.asService<{ chains: { id: string }[] }>("listChains", {});
    expect(chains.map(({ id }) => id)).not.toContain(chain_id);
    const internal = await service.asService<{ id: string; is_active: boolean }[]>("knownChains", {});
    expect(internal.find(({ id }) => id === chain_id)?.is_active).toBe(false);
  });
});

describe("market EVM chains", () => {
  it("are created with ETH as native symbol, got, changed, listed and deleted", async () => {
    const created = await createChain({ name: "  Polygon  " });
    expect(EvmChain.parse(created)).toEqual(created);
    expect(created).toMatchObject({ name: "Polygon", native_symbol: "ETH", is_active: true, version: 1 });
    const key = { id: created.id };
    const changed = await service.asAdministrator<EvmChain>("updateEvmChain", {
      ...key,
      native_symbol: "POL",
      is_active: false,
    });
    expect(changed).toEqual({
      ...created,
      native_symbol: "POL",
      is_active: false,
      version: 2,
      updated_at: expect.any(String),
    });
    expect(await service.asAdministrator("getEvmChain", key)).toEqual(changed);
    const { items } = await service.asAdministrator<Page<EvmChain>>("listEvmChains", {});
    expect(items.at(-1)).toEqual(changed);
    expect(await service.asAdministrator("deleteEvmChain", key)).toBeNull();
    for (const action of ["getEvmChain", "updateEvmChain", "deleteEvmChain"]) {
      await expect(service.asAdministrator(action, key)).rejects.toMatchObject({ type: "CHAIN_NOT_FOUND" });
    }
  });

  it("show the node's URL to administrators only", async () => {
    const { id } = await createChain();
    expect(await service.asAdministrator("getEvmChain", { id })).toHaveProperty("rpc_url", RPC_URL);
    expect(await service.asUser("getEvmChain", { id })).not.toHaveProperty("rpc_url");
    const { items } = await service.asUser<Page<EvmChain>>("listEvmChains", {});
    expect(items.length).toBeGreaterThan(7);
    expect(JSON.stringify(items)).not.toContain("https://");
  });

  it("take an administrator's script for a user", async () => {
    const { id } = await createChain();
    expect(await service.asScript("getEvmChain", { id })).not.toHaveProperty("rpc_url");
    await expect(service.asScript("deleteEvmChain", { id })).rejects.toMatchObject({ type: "FORBIDDEN" });
  });

  it("are for administrators to write", async () => {
    const { id } = await createChain();
    const attempts: [string, object][] = [
      ["createEvmChain", { chain_id: chainId(), name: "x", rpc_url: RPC_URL }],
      ["updateEvmChain", { id, name: "x" }],
      ["deleteEvmChain", { id }],
    ];
    for (const [action, params] of attempts) {
      await expect(service.asUser(action, params)).rejects.toMatchObject({ type: "FORBIDDEN" });
    }
  });

  it("exist once per chain_id, whoever creates them at the same time", async () => {
    const chain_id = chainId();
    const writes = await Promise.allSettled([1, 2, 3].map(() => createChain({ chain_id })));
    expect(writes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const write of writes) {
      if (write.status === "rejected") expect(write.reason).toMatchObject({ type: "ALREADY_REGISTERED" });
    }
    await expect(createChain({ chain_id: "solana" })).rejects.toMatchObject({ type: "ALREADY_REGISTERED" });
  });

  it("let one of two writers of one version win", async () => {
    const { id } = await createChain();
    const writes = await Promise.allSettled(
      ["A", "B"].map((name) => service.asAdministrator("updateEvmChain", { id, name, if_match: 1 })),
    );
    const lost = writes.filter((write) => write.status === "rejected");
    expect(lost.map(({ reason }) => reason.type)).toEqual(["PRECONDITION_FAILED"]);
    await expect(service.asAdministrator("deleteEvmChain", { id, if_match: 1 })).rejects.toMatchObject({
      type: "PRECONDITION_FAILED",
    });
  });

  it.each([
    ["/chain_id", { chain_id: "" }],
    ["/chain_id", { chain_id: "Not A Chain" }],
    ["/name", { name: " " }],
    ["/native_symbol", { native_symbol: "" }],
    ["/is_active", { is_active: "true" }],
    ["/rpc_url", { rpc_url: "" }],
    ["/rpc_url", { rpc_url: `https://rpc.example.com/${"x".repeat(500)}` }],
    ["/version", { version: 7 }],
  ])("are refused at %s when %j", async (pointer, members) => {
    await expect(createChain(members)).rejects.toMatchObject(refusedAt(pointer));
  });

  it.each([
    "http://rpc.example.com",
    "https://user:secret@rpc.example.com",
    "https://localhost:8545",
    "https://LOCALHOST.",
    "https://node",
    "https://metadata.google.internal/",
    "https://postgres.default.svc",
    "https://postgres.default.svc.cluster.local",
    "https://127.0.0.1",
    "https://2130706433",
    "https://0x7f.1",
    "https://10.1.2.3",
    "https://172.31.0.1",
    "https://192.168.1.1",
    "https://169.254.169.254/latest",
    "https://100.100.100.200",
    "https://0.0.0.0",
    "https://255.255.255.255",
    "https://[::1]",
    "https://[::]",
    "https://[::ffff:127.0.0.1]",
    "https://[fe80::1]",
    "https://[fd00:ec2::254]",
    "https://[64:ff9b::7f00:1]",
    "https://[2002:7f00:1::]",
    "https://rpc.example.com:99999",
    "https://",
  ])("have no node at %s", async (rpc_url) => {
    await expect(createChain({ rpc_url })).rejects.toMatchObject(refusedAt("/rpc_url"));
    const { id } = await createChain();
    await expect(service.asAdministrator("updateEvmChain", { id, rpc_url })).rejects.toMatchObject(
      refusedAt("/rpc_url"),
    );
  });

  it.each(["https://8.8.8.8:8545/x?y=1", "https://[2606:4700:4700::1111]/", "https://rpc.example.com./"])(
    "may have a node at %s",
    async (rpc_url) => {
      expect(await createChain({ rpc_url })).toHaveProperty("rpc_url", rpc_url);
    },
  );
});

describe("market EVM tokens", () => {
  const token = { chain: "mantle", symbol: "TEST", contract_address: ADDRESS.toLowerCase() };

  it("are created with their checksum, filtered, changed and deleted", async () => {
    const created = await service.asAdministrator<EvmToken>("createEvmToken", token);
    expect(EvmToken.parse(created)).toEqual(created);
    expect(created.contract_address).toBe(ADDRESS);
    const list = (params: object) => service.asUser<Page<EvmToken>>("listEvmTokens", params);
    expect((await list({ chain: "mantle" })).items).toEqual([created]);
    const key = { id: created.id };
    await service.asAdministrator("updateEvmToken", { ...key, is_active: false, symbol: "T" });
    expect((await list({ chain: "mantle", is_active: "true" })).items).toEqual([]);
    expect((await list({ is_active: "false" })).items).toMatchObject([{ ...key, symbol: "T", version: 2 }]);
    expect((await list({ chain: "nowhere" })).items).toEqual([]);
    await service.asAdministrator("deleteEvmToken", key);
    await expect(service.asUser("getEvmToken", key)).rejects.toMatchObject({
      type: "REGISTERED_TOKEN_NOT_FOUND",
    });
  });

  it("come with the seeds, page by page", async () => {
    const seen: string[] = [];
    for (let cursor: string | undefined, first = true; first || cursor; first = false) {
      const page = await service.asUser<Page<EvmToken>>("listEvmTokens", {
        limit: 20,
        ...(cursor && { cursor }),
      });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next_cursor;
    }
    expect(new Set(seen).size).toBe(75);
    expect(seen).toHaveLength(75);
  });

  it("exist once per chain and contract, whatever the case", async () => {
    const { id } = await service.asAdministrator<EvmToken>("createEvmToken", token);
    for (const contract_address of [ADDRESS, `0x${ADDRESS.slice(2).toUpperCase()}`]) {
      await expect(
        service.asAdministrator("createEvmToken", { ...token, contract_address }),
      ).rejects.toMatchObject({ type: "ALREADY_REGISTERED" });
    }
    await service.asAdministrator("deleteEvmToken", { id });
  });

  it("need a chain that is registered", async () => {
    for (const chain of ["nowhere", "solana"]) {
      await expect(service.asAdministrator("createEvmToken", { ...token, chain })).rejects.toMatchObject({
        type: "UNKNOWN_CHAIN",
        data: { errors: [{ pointer: "/chain" }] },
      });
    }
  });

  it.each(["", "0x12", ADDRESS.replace("aA", "Aa"), MINT])(
    "have no contract %s",
    async (contract_address) => {
      await expect(
        service.asAdministrator("createEvmToken", { ...token, contract_address }),
      ).rejects.toMatchObject(refusedAt("/contract_address"));
    },
  );

  it("are looked up by symbol in our own data", async () => {
    const usdc = await service.asUser<{ contracts: { chain: string }[] }>("lookupContracts", {
      symbol: "usdc",
    });
    expect(usdc).toMatchObject({ symbol: "USDC", coin_id: "usdc-usd-coin", coin_name: "USD Coin" });
    expect(usdc.contracts.map(({ chain }) => chain)).toEqual([
      "ethereum",
      "arbitrum",
      "optimism",
      "base",
      "bsc",
    ]);
    await expect(service.asUser("lookupContracts", { symbol: "NONE" })).rejects.toMatchObject({
      type: "ASSET_NOT_FOUND",
    });
    for (const params of [{}, { symbol: "" }]) {
      await expect(service.asUser("lookupContracts", params)).rejects.toMatchObject(refusedAt("/symbol"));
    }
  });

  it("are registered from the known contracts, those that are there already left alone", async () => {
    const first = await service.asAdministrator("syncEvmTokens", {});
    expect(first).toEqual({ inserted: 11, skipped: 75 });
    expect(await service.asAdministrator("syncEvmTokens", {})).toEqual({ inserted: 0, skipped: 86 });
    await expect(service.asUser("syncEvmTokens", {})).rejects.toMatchObject({ type: "FORBIDDEN" });
  });
});

describe("market Solana tokens", () => {
  it("come with the seeds, and are created, changed and deleted", async () => {
    const { items } = await service.asUser<Page<SolanaToken>>("listSolanaTokens", { is_active: "true" });
    expect(items.map(({ symbol }) => symbol)).toEqual(
      "USDC USDT MSOL STSOL JITOSOL RAY JUP PYTH JTO BONK WIF".split(" "),
    );
    const wrapped = { symbol: "WSOL", mint_address: MINT };
    const created = await service.asAdministrator<SolanaToken>("createSolanaToken", wrapped);
    expect(SolanaToken.parse(created)).toEqual(created);
    await expect(service.asAdministrator("createSolanaToken", wrapped)).rejects.toMatchObject({
      type: "ALREADY_REGISTERED",
    });
    const key = { id: created.id };
    expect(await service.asAdministrator("updateSolanaToken", { ...key, is_active: false })).toEqual({
      ...created,
      is_active: false,
      version: 2,
      updated_at: expect.any(String),
    });
    await service.asAdministrator("deleteSolanaToken", { ...key, if_match: 2 });
    await expect(service.asUser("getSolanaToken", key)).rejects.toMatchObject({
      type: "REGISTERED_TOKEN_NOT_FOUND",
    });
  });

  it.each(["", "0OIl", MINT.slice(0, 20), "1".repeat(40), ADDRESS])(
    "have no mint %s",
    async (mint_address) => {
      await expect(
        service.asAdministrator("createSolanaToken", { symbol: "X", mint_address }),
      ).rejects.toMatchObject(refusedAt("/mint_address"));
    },
  );
});
