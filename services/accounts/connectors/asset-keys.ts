/** An asset that may be in a wallet: a contract on a chain, or (undefined) the chain's own coin. */
export interface NamedContract {
  readonly symbol: string;
  readonly contract: string | undefined;
}

/** So many characters of a contract tell it from others with its symbol, and so many more if they do not. */
const PREFIX_LENGTH = 8;

/**
 * The keys of a chain's assets, each another one: `SYMBOL-chain`. Of several with one symbol the first keeps that; the
 * others are told apart by the beginning of their contract, `SYMBOL.1a2b3c4d-chain`, whichever of them a wallet holds.
 */
export function assetKeys(chain: string, assets: readonly NamedContract[]): readonly string[] {
  const taken = new Set<string>();
  return assets.map(({ symbol, contract = "" }) => {
    const id = contract.replace(/^0x/, "");
    let key = `${symbol}-${chain}`;
    for (let length = PREFIX_LENGTH; taken.has(key); length += PREFIX_LENGTH) {
      key = `${symbol}.${id.slice(0, length)}-${chain}`;
      // Named twice, to the last character: nothing is left to tell them apart by, and callers fold such ones before.
      if (length > id.length) break;
    }
    taken.add(key);
    return key;
  });
}
