import { type AccountType, NETWORKS } from "../contract.ts";

/** The members that not every account may have; what is undefined or null is not there. */
export interface OptionalMembers {
  readonly exchange_name?: string | null | undefined;
  readonly wallet_address?: string | null | undefined;
  readonly enabled_chains?: readonly string[] | null | undefined;
  readonly api_key?: string | null | undefined;
  readonly api_secret?: string | null | undefined;
  readonly passphrase?: string | null | undefined;
}

export interface MemberFault {
  readonly pointer: string;
  readonly detail: string;
}

const CREDENTIALS = ["api_key", "api_secret", "passphrase"] as const;

/** The members that do not go together with an account's type and exchange or network; none when all do. */
export function strayMembers(account_type: AccountType, members: OptionalMembers): MemberFault[] {
  const foreign = foreignTo(account_type, members.exchange_name ?? undefined);
  const stray = foreign.filter((name) => members[name] !== undefined && members[name] !== null);
  const faults = stray.map((name) => ({
    pointer: `/${name}`,
    detail: `is not for ${kindOf(account_type, members)}`,
  }));
  const { exchange_name } = members;
  if (!exchange_name || account_type === "manual") return faults;
  if (isNetwork(exchange_name) === (account_type === "wallet")) return faults;
  const detail =
    account_type === "wallet"
      ? `must be ${NETWORKS.join(" or ")}, or left out for an EVM wallet`
      : "must be an exchange, and not a network of wallets";
  return [{ pointer: "/exchange_name", detail }, ...faults];
}

function foreignTo(account_type: AccountType, exchange_name: string | undefined): (keyof OptionalMembers)[] {
  switch (account_type) {
    case "exchange":
      return ["wallet_address", "enabled_chains"];
    case "wallet":
      return isNetwork(exchange_name) ? ["enabled_chains", ...CREDENTIALS] : [...CREDENTIALS];
    case "manual":
      return ["exchange_name", "wallet_address", "enabled_chains", ...CREDENTIALS];
  }
}

function isNetwork(exchange_name: string | undefined): boolean {
  return (NETWORKS as readonly (string | undefined)[]).includes(exchange_name);
}

function kindOf(account_type: AccountType, { exchange_name }: OptionalMembers): string {
  if (account_type === "exchange") return "an account at an exchange";
  if (account_type === "manual") return "a manual account";
  return isNetwork(exchange_name ?? undefined) ? `a wallet on ${exchange_name}` : "a wallet";
}
