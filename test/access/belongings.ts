import { randomUUID } from "node:crypto";
import type { Target } from "./matrix.ts";
import { seededRegistry } from "./matrix.ts";

/** Does an action as the user whose things they are to be; answers its result. */
export type Act = (action: string, params: Readonly<Record<string, unknown>>) => Promise<{ id: string }>;

/** What a user has, beside being one. */
export type Belongings = Omit<Target, "userId" | "issuer" | "subject" | "accessToken" | "logoutToken">;

/** What only some requests are about, and takes some time to make. */
export type Part = "holdings" | "allocation" | "snapshot" | "recommendations" | "sync";

/** What the requests of an action need beside what every user of the matrix has. */
export const partsOf: Readonly<Record<string, readonly Part[]>> = {
  "portfolios.unlinkAccount": ["holdings"],
  "portfolios.generateRecommendations": ["holdings"],
  "portfolios.allocation": ["allocation"],
  "portfolios.latestSnapshot": ["snapshot"],
  "portfolios.getRecommendation": ["recommendations"],
  "portfolios.approveRecommendation": ["recommendations"],
  "portfolios.rejectRecommendation": ["recommendations"],
  "portfolios.executeRecommendation": ["recommendations"],
  "accounts.getJob": ["sync"],
};

/** Gives a user one of everything, and of the parts those that are asked for; the others' ids are nobody's. */
export async function makeBelongings(act: Act, parts: readonly Part[]): Promise<Belongings> {
  const first = await act("portfolios.create", { name: "First", target_allocation: { BTC: 50, ETH: 50 } });
  const [second, account, exchange, token] = await Promise.all([
    act("portfolios.create", { name: "Second" }),
    act("accounts.create", { name: "By hand", account_type: "manual" }),
    act("accounts.create", { name: "At an exchange", account_type: "exchange", exchange_name: "okx" }),
    act("auth.createToken", {
      name: "Script",
      scopes: ["profile:read"],
      expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    }),
  ]);
  const belongings = {
    portfolioId: first.id,
    secondPortfolioId: second.id,
    accountId: account.id,
    syncedAccountId: exchange.id,
    tokenId: token.id,
    ...seededRegistry,
  };
  return { ...belongings, ...(await makeParts(act, belongings, parts)) };
}

async function makeParts(
  act: Act,
  { portfolioId: id, syncedAccountId }: Pick<Target, "portfolioId" | "syncedAccountId">,
  parts: readonly Part[],
) {
  const [linkedAccountId, pendingId, approvedId, jobId] = Array.from({ length: 4 }, () => randomUUID()) as [
    string,
    string,
    string,
    string,
  ];
  const made = { linkedAccountId, pendingId, approvedId, jobId };
  if (parts.includes("holdings")) {
    made.linkedAccountId = (await act("accounts.create", { name: "Linked", account_type: "manual" })).id;
    const holdings = [{ asset: "BTC", quantity: "1" }];
    await act("accounts.setHoldings", { id: made.linkedAccountId, holdings });
    await act("portfolios.linkAccount", { id, account_id: made.linkedAccountId });
  }
  if (parts.includes("allocation")) await act("portfolios.construct", { id });
  if (parts.includes("snapshot")) await act("portfolios.takeSnapshot", { id });
  if (parts.includes("recommendations")) {
    const proposal = { id, recommendation_type: "stop_loss", rationale: "x", proposed_orders: [] };
    made.pendingId = (await act("portfolios.createRecommendation", proposal)).id;
    made.approvedId = (await act("portfolios.createRecommendation", proposal)).id;
    await act("portfolios.approveRecommendation", { id, recommendation_id: made.approvedId });
  }
  if (parts.includes("sync")) {
    const sync = (await act("accounts.sync", { id: syncedAccountId })) as unknown as { job_id: string };
    made.jobId = sync.job_id;
  }
  return made;
}
