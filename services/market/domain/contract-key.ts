const EVM_ADDRESS = /^0x[0-9a-f]{40}$/i;

/**
 * What contracts are compared by. The case of an EVM address is only its checksum, so it is folded; that of a Solana
 * address is part of it. The column `contract_key` is made the same way.
 */
export function contractKey(address: string): string {
  return EVM_ADDRESS.test(address) ? address.toLowerCase() : address;
}
