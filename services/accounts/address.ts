import { isAddress as isSolanaAddress } from "@solana/addresses";
import { validate as isBitcoinAddress, Network } from "bitcoin-address-validation";
import { getAddress, isAddress as isEvmAddress } from "viem/utils";

/** What a wallet's address belongs to: a network by its name, or (undefined) the EVM chains. */
export type WalletNetwork = string | undefined;

/**
 * An address in its one canonical spelling, so that equal addresses are equal texts.
 * Undefined when it is no address of the network: malformed, or with a wrong checksum.
 */
export function canonicalAddress(network: WalletNetwork, text: string): string | undefined {
  switch (network) {
    case undefined:
      return evmAddress(text);
    case "solana":
      return isSolanaAddress(text) ? text : undefined;
    case "bitcoin":
      return bitcoinAddress(text);
    default:
      return undefined;
  }
}

/** What an address of the network looks like, to complete 'must be …'. */
export function addressForm(network: WalletNetwork): string {
  switch (network) {
    case "solana":
      return "a Solana address: 32 bytes in base58";
    case "bitcoin":
      return "a Bitcoin address of the main network, with its checksum";
    default:
      return "an EVM address: 0x and 40 hexadecimal digits, with the checksum of EIP-55 if in mixed case";
  }
}

/** EIP-55: all in one case, it carries no checksum; in mixed case, the case is the checksum. */
function evmAddress(text: string): string | undefined {
  const unmixed = /^0x[0-9A-F]{40}$/.test(text) ? text.toLowerCase() : text;
  return isEvmAddress(unmixed, { strict: true }) ? getAddress(unmixed) : undefined;
}

/** BIP 173: bech32 is the same in capitals, as in QR codes, but not in mixed case; base58 tells cases apart. */
function bitcoinAddress(text: string): string | undefined {
  const unmixed = /^BC1[0-9A-Z]+$/.test(text) ? text.toLowerCase() : text;
  return isBitcoinAddress(unmixed, Network.mainnet) ? unmixed : undefined;
}
