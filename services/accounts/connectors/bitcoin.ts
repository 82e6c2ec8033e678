import { z } from "zod";
import { parseWithBigInts } from "../../common/parse-exact.ts";
import { unitsOf } from "./amounts.ts";
import { asking, unexpected } from "./ask.ts";
import { type Connector, ConnectorError } from "./connector.ts";
import type { NodeTools } from "./node-tools.ts";

const PROVIDER = "The Bitcoin service";
const DECIMALS = 8;

const Address = z.object({
  chain_stats: z.object({ funded_txo_sum: z.bigint(), spent_txo_sum: z.bigint() }),
});

/**
 * Reads Bitcoin addresses: what is confirmed.
 * @param apiUrl of an API as Esplora offers it, without a slash at the end.
 */
export function bitcoinConnector(tools: NodeTools, apiUrl: string): Connector {
  return {
    async read({ account, signal }) {
      const ask = asking(tools.outgoing, PROVIDER, signal);
      const address = encodeURIComponent(account.wallet_address ?? "");
      const response = await ask(`${apiUrl}/address/${address}`, { headers: { accept: "application/json" } });
      if (response.status !== 200) {
        const message = `${PROVIDER} does not tell what is at this address (HTTP ${response.status}).`;
        throw new ConnectorError("unexpected_answer", message);
      }
      const units = unitsIn(await response.text());
      if (units === 0n) return [];
      const quantity = unitsOf(units, DECIMALS);
      const amounts = { quantity, available: quantity, frozen: "0", decimals: DECIMALS };
      return [{ asset: "BTC-bitcoin", symbol: "BTC", chain: "bitcoin", ...amounts }];
    },
  };
}

function unitsIn(text: string): bigint {
  let answer: unknown;
  try {
    answer = parseWithBigInts(text);
  } catch {
    throw unexpected(PROVIDER);
  }
  const { success, data } = Address.safeParse(answer);
  if (!success) throw unexpected(PROVIDER);
  const { funded_txo_sum, spent_txo_sum } = data.chain_stats;
  if (spent_txo_sum > funded_txo_sum) throw unexpected(PROVIDER);
  return funded_txo_sum - spent_txo_sum;
}
