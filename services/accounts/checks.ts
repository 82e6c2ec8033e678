import { type MemberError, type ProblemCode, problem } from "../common/problem.ts";
import { addressForm, canonicalAddress, type WalletNetwork } from "./address.ts";
import type { AccountType } from "./contract.ts";
import { type OptionalMembers, strayMembers } from "./domain/members.ts";
import type { AccountRow } from "./row.ts";

/** A chain as far as it matters here. */
export interface KnownChain {
  readonly id: string;
  readonly is_active: boolean;
}

/** @throws ACCOUNT_MEMBERS_DISAGREE, naming each member that does not go with the others. */
export function checkMembers(account_type: AccountType, members: OptionalMembers): void {
  const errors = strayMembers(account_type, members);
  if (errors.length > 0) throw refusal("ACCOUNT_MEMBERS_DISAGREE", errors);
}

/** The address in canonical spelling. @throws VALIDATION_FAILED when it is none of the network's. */
export function checkAddress(network: WalletNetwork, text: string): string {
  const address = canonicalAddress(network, text);
  if (address !== undefined) return address;
  throw refusal("VALIDATION_FAILED", [
    { pointer: "/wallet_address", detail: `must be ${addressForm(network)}` },
  ]);
}

/** @throws UNKNOWN_CHAIN for one that there is not; NO_ACTIVE_CHAIN when a wallet would be looked at nowhere. */
export function checkChains(enabled: readonly string[], known: readonly KnownChain[]): void {
  const isActive = new Map(known.map(({ id, is_active }) => [id, is_active]));
  const unknown = enabled.flatMap((id, index) => (isActive.has(id) ? [] : [index]));
  if (unknown.length > 0) {
    const detail = "is no chain of GET /v1/evm-chains";
    throw refusal(
      "UNKNOWN_CHAIN",
      unknown.map((index) => ({ pointer: `/enabled_chains/${index}`, detail })),
    );
  }
  if (enabled.some((id) => isActive.get(id))) return;
  throw refusal("NO_ACTIVE_CHAIN", [
    {
      pointer: "/enabled_chains",
      detail: "must name at least one active chain; leave it out for all active ones",
    },
  ]);
}

/** The members that are chosen once, as a change gives them. */
export interface FixedMembers {
  readonly account_type?: AccountType | undefined;
  readonly exchange_name?: string | null | undefined;
  readonly wallet_address?: string | null | undefined;
}

type FixedRow = Pick<AccountRow, "account_type" | "exchange_name" | "wallet_address">;

/** Existing clients send them again with a change. @throws ACCOUNT_MEMBER_UNCHANGEABLE when one differs. */
export function checkFixed(account: FixedRow, given: FixedMembers): void {
  const { wallet_address } = given;
  const network = account.exchange_name ?? undefined;
  const sent = {
    ...given,
    ...(wallet_address && { wallet_address: canonicalAddress(network, wallet_address) ?? wallet_address }),
  };
  const names = ["account_type", "exchange_name", "wallet_address"] as const;
  const changed = names.filter((name) => sent[name] !== undefined && sent[name] !== account[name]);
  if (changed.length === 0) return;
  const detail = "cannot be changed; add another account instead";
  throw refusal(
    "ACCOUNT_MEMBER_UNCHANGEABLE",
    changed.map((name) => ({ pointer: `/${name}`, detail })),
  );
}

function refusal(code: ProblemCode, errors: readonly MemberError[]): Error {
  const detail = errors.map(({ pointer, detail }) => `${pointer} ${detail}`).join("; ");
  return problem(code, { detail: `${detail}.`, errors });
}
