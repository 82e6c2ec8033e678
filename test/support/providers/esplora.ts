import { type ProviderServer, startProvider } from "./provider-server.ts";

/** What has come to an address and gone from it, in satoshis. */
export interface EsploraAddress {
  readonly funded: bigint;
  readonly spent: bigint;
}

export interface Esplora extends ProviderServer {
  /** By address; change them as the test goes on. */
  readonly addresses: Record<string, EsploraAddress>;
}

/** Esplora's API: GET /address/{address}. */
export async function startEsplora(given: Readonly<Record<string, EsploraAddress>> = {}): Promise<Esplora> {
  const addresses = { ...given };
  const server = await startProvider(({ path }) => {
    const [, address = ""] = /^\/address\/([^/]+)$/.exec(path) ?? [];
    if (!/^(bc1|[13])[a-zA-Z0-9]{20,}$/.test(address)) {
      return { status: 400, headers: { "content-type": "text/plain" }, body: "Invalid Bitcoin address" };
    }
    const { funded, spent } = addresses[address] ?? { funded: 0n, spent: 0n };
    const stats = (from: bigint, to: bigint) =>
      `{"funded_txo_count":1,"funded_txo_sum":${from},"spent_txo_count":1,"spent_txo_sum":${to},"tx_count":2}`;
    return {
      body: `{"address":"${address}","chain_stats":${stats(funded, spent)},"mempool_stats":${stats(0n, 0n)}}`,
    };
  });
  return Object.assign(server, { addresses });
}
