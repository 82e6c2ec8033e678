import { writingTo } from "../common/database/writing.ts";
import { type MemberError, problem } from "../common/problem.ts";
import type { HoldingToSet } from "./contract/holding.ts";
import { type Amounts, completeAmounts } from "./domain/amounts.ts";
import { namedAsset } from "./domain/asset-key.ts";
import type { AccountRow } from "./row.ts";
import { lockAccount, readBack, type Store, type VersionedKey, written } from "./writes.ts";

interface CompleteHolding extends Amounts {
  readonly asset: string;
}

const REMOVE = "delete from accounts.holdings where account_id = $1";

const INSERT = `
  insert into accounts.holdings (account_id, asset, quantity, available, frozen, symbol, chain)
  select $1, * from unnest($2::text[], $3::numeric[], $4::numeric[], $5::numeric[], $6::text[], $7::text[])`;

const CHANGE = `
  update accounts.accounts set holdings_at = now(), updated_at = now(), version = version + 1
  where id = $1 and user_id = $2`;

/**
 * Replaces what is in a manual account. Its row is locked first, so that of two who do this at once the second
 * replaces what the first has left.
 * @param chains the ids that a key may end with.
 * @throws ACCOUNT_NOT_FOUND, PRECONDITION_FAILED, ACCOUNT_NOT_MANUAL, HOLDING_AMOUNTS_DISAGREE.
 */
export function setHoldings(
  { pool }: Store,
  key: VersionedKey,
  holdings: readonly HoldingToSet[],
  chains: readonly string[],
): Promise<AccountRow> {
  return written(writingTo(pool), async (query) => {
    const { id, account_type } = await lockAccount(query, key);
    if (account_type !== "manual") throw problem("ACCOUNT_NOT_MANUAL");
    const complete = completeHoldings(holdings);
    const named = complete.map(({ asset }) => namedAsset(asset, chains));
    const values = [
      id,
      complete.map(({ asset }) => asset),
      complete.map(({ quantity }) => quantity),
      complete.map(({ available }) => available),
      complete.map(({ frozen }) => frozen),
      named.map(({ symbol }) => symbol),
      named.map(({ chain }) => chain ?? null),
    ];
    await query({ name: "accounts.holdings.remove", text: REMOVE, values: [id] });
    await query({ name: "accounts.holdings.insert", text: INSERT, values });
    await query({ name: "accounts.holdings.change", text: CHANGE, values: [id, key.userId] });
    return readBack(query, key);
  });
}

/** @throws HOLDING_AMOUNTS_DISAGREE, naming each amount at fault. */
function completeHoldings(holdings: readonly HoldingToSet[]): CompleteHolding[] {
  const errors: MemberError[] = [];
  const complete: CompleteHolding[] = [];
  for (const [index, { asset, ...given }] of holdings.entries()) {
    const amounts = completeAmounts(given);
    if ("member" in amounts) {
      errors.push({ pointer: `/holdings/${index}/${amounts.member}`, detail: amounts.detail });
    } else complete.push({ asset, ...amounts });
  }
  if (errors.length === 0) return complete;
  const named = errors.slice(0, MAX_ERRORS);
  const detail = `${named.map(({ pointer, detail }) => `${pointer} ${detail}`).join("; ")}.`;
  throw problem("HOLDING_AMOUNTS_DISAGREE", { detail, errors: named });
}

/** A client gets at most so many wrong amounts named at once. */
const MAX_ERRORS = 20;
