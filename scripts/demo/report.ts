// What the demo says at its end.
import type { Filled } from "./fill.ts";

export type Told = Filled & {
  url: string;
  username: string;
  /** Snapshots of how many days there are now, how many of them are new; or why there are none. */
  history: { days: number; written: number } | { missing: string };
};

/** Tells what was made, and the commands to look at it. */
export function report({ url, username, ...made }: Told): string {
  const { portfolioId, portfolioName, accountNames, allocation, recommendation, snapshot, history } = made;
  const path = `${url}/v1/portfolios/${portfolioId}`;
  const orders = recommendation?.proposed_orders.map(
    ({ action, quantity, asset }) => `${action} ${quantity} ${asset}`,
  );
  const from = new Date(Date.now() - 30 * 86_400_000).toISOString().slice(0, 10);
  const commands = [
    ["its holdings, valued now", `${path}/holdings`],
    ["its allocation", `${path}/allocation`],
    ["its drift from the targets", `${path}/drift`],
    ["what is recommended", `${path}/recommendations`],
    ["its history", `'${path}/snapshots?snapshot_type=eod&start_date=${from}'`],
    ["its latest snapshot", `${path}/snapshots/latest`],
    ["the accounts", `${url}/v1/accounts`],
  ];
  return [
    `User ${username} has now:`,
    "",
    `  Portfolio       ${portfolioName}, ${portfolioId}`,
    `  Accounts        ${accountNames.join(", ")}`,
    `  Allocation      ${allocation.holdings.length} assets, ${allocation.total_value_usd} US dollars`,
    `  Recommendation  ${orders ? orders.join(", ") : "none: the weights are within their bands"}`,
    `  Snapshot        of today, ${snapshot.total_value_usd} US dollars`,
    `  History         ${historyLine(history)}`,
    "",
    "Look at it:",
    `  TOKEN=$(npm run -s token -- ${username})`,
    ...commands.flatMap(([what, address]) => [
      `  # ${what}`,
      `  curl -H "Authorization: Bearer $TOKEN" ${address}`,
    ]),
    "",
  ].join("\n");
}

function historyLine(history: Told["history"]): string {
  if ("missing" in history) return `none: ${history.missing}`;
  const { days, written } = history;
  return `${days} days at made-up prices, marked as samples (${written} of them new)`;
}
