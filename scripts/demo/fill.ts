// What the demo makes over the HTTP API; each step finds what an earlier run has made.
import type { Allocation, PortfolioHoldings } from "../../services/portfolios/contract/holdings.ts";
import type { Recommendations } from "../../services/portfolios/contract/recommendation-members.ts";
import type { SnapshotResult } from "../../services/portfolios/contract/snapshots.ts";
import type { Api } from "./api.ts";

const accounts = [
  {
    name: "Cold storage (demo)",
    holdings: [
      { asset: "BTC", quantity: "0.75" },
      { asset: "ETH", quantity: "6" },
    ],
  },
  {
    name: "Trading desk (demo)",
    holdings: [
      { asset: "BTC", quantity: "0.15" },
      { asset: "ETH-arbitrum", quantity: "2.5" },
      { asset: "SOL", quantity: "80", frozen: "12.5" },
      { asset: "USDC", quantity: "5000" },
    ],
  },
] as const;

const portfolioName = "Demo portfolio";
const members = {
  description: "Made by `npm run demo`.",
  target_allocation: { BTC: 55, ETH: 25, SOL: 10, USDC: 10 },
  guardrails: { drift_band: 5, stablecoin_min: 5, max_alt_cap: 40, min_trade_usd: 25, fee_bps: 10 },
};

/** What was made, or found and brought up to date. */
export type Filled = {
  userId: string;
  portfolioId: string;
  portfolioName: string;
  accountNames: readonly string[];
  allocation: Allocation;
  holdings: PortfolioHoldings;
  recommendation: Recommendations["recommendations"][number] | undefined;
  snapshot: SnapshotResult;
};

export async function fill(api: Api): Promise<Filled> {
  const me = await api<{ id: string }>("GET", "/v1/me");
  const portfolio = await findOrMake(api, "/v1/portfolios", { name: portfolioName });
  const path = `/v1/portfolios/${portfolio.id}`;
  await api("PUT", path, members);
  const accountIds: string[] = [];
  for (const { name, holdings } of accounts) {
    const account = await findOrMake(api, "/v1/accounts", { name, account_type: "manual" });
    await api("PUT", `/v1/accounts/${account.id}/holdings`, [...holdings]);
    accountIds.push(account.id);
  }
  await api("PUT", `${path}/accounts`, { account_ids: accountIds });
  const allocation = await api<Allocation>("POST", `${path}/construct`);
  const holdings = await api<PortfolioHoldings>("GET", `${path}/holdings`);
  const generated = await api<Recommendations>("POST", `${path}/recommendations/generate`);
  const snapshot = await api<SnapshotResult>("POST", `${path}/snapshots`);
  return {
    userId: me.id,
    portfolioId: portfolio.id,
    portfolioName,
    accountNames: accounts.map(({ name }) => name),
    allocation,
    holdings,
    recommendation: generated.recommendations[0],
    snapshot,
  };
}

/** The one of this name, of which there is one unless somebody else made it, too. */
async function findOrMake(
  api: Api,
  path: string,
  made: { name: string; account_type?: "manual" },
): Promise<{ id: string }> {
  const listed = await api<{ id: string; name: string }[]>("GET", path);
  return listed.find(({ name }) => name === made.name) ?? api<{ id: string }>("POST", path, made);
}
