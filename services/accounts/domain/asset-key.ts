/** What an asset key says of its asset. */
export interface NamedAsset {
  readonly symbol: string;
  /** Undefined when the key names none. */
  readonly chain: string | undefined;
}

/** Whether a key could end with a chain's name. */
export function mayNameChain(key: string): boolean {
  return key.lastIndexOf("-") > 0;
}

/**
 * `ETH-base` is ETH on base, if base is a chain; `STETH-2` is what it is. Of several chains that fit, the longest name
 * is the one meant.
 */
export function namedAsset(key: string, chains: readonly string[]): NamedAsset {
  const fitting = chains.filter((chain) => key.endsWith(`-${chain}`) && key.length > chain.length + 1);
  const [chain] = fitting.toSorted((one, other) => other.length - one.length);
  return { symbol: chain === undefined ? key : key.slice(0, -chain.length - 1), chain };
}
