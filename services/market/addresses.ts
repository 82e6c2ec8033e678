import { isAddress as isSolanaAddress } from "@solana/addresses";
import { getAddress, isAddress } from "viem/utils";
import { invalidMember } from "./refusal.ts";

/**
 * An EVM address with its checksum (EIP-55). One in a single case carries none; in mixed case it must be right.
 * @throws VALIDATION_FAILED
 */
export function checkedEvmAddress(address: string): string {
  const digits = address.slice(2);
  const isBare = digits === digits.toLowerCase() || digits === digits.toUpperCase();
  const candidate = isBare ? `0x${digits.toLowerCase()}` : address;
  if (!isAddress(candidate)) {
    throw invalidMember(
      "contract_address",
      "has a wrong checksum: a digit or its case is mistaken; copy it again, or write it in lower case",
    );
  }
  return getAddress(candidate);
}

/** @throws VALIDATION_FAILED when it does not stand for 32 bytes. */
export function checkedSolanaAddress(address: string): string {
  if (!isSolanaAddress(address)) {
    throw invalidMember("mint_address", "must be a Solana address: base 58 of 32 bytes");
  }
  return address;
}
