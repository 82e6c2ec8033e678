import { randomUUIDv7 } from "node:crypto";
import type { Query } from "../../common/database/transaction.ts";
import type { Writing } from "../../common/database/writing.ts";
import { problem } from "../../common/problem.ts";
import type {
  ProposedOrder,
  Recommendation,
  RecommendationType,
} from "../contract/recommendation-members.ts";
import type { PortfolioKey } from "../reads.ts";
import { COLUMNS, type RecommendationRow, recommendationOf, STATUS } from "./row.ts";

/** So many are kept per portfolio; to make room, the oldest that are finished go. */
export const MAX_RECOMMENDATIONS = 500;

export interface Draft {
  readonly recommendation_type: RecommendationType;
  readonly rationale: string;
  readonly proposed_orders: readonly ProposedOrder[];
  readonly expected_impact: string | null;
  readonly metadata: Recommendation["metadata"];
}

/** A draft that was computed: it can be recognised, and it expires. */
export interface GeneratedDraft extends Draft {
  readonly price_as_of: string | null;
  readonly inputs_hash: string;
  readonly valid_for_seconds: number;
}

/** Whoever writes a portfolio's recommendations waits here, so that counts and the one that is pending hold. */
const LOCK = "select id from portfolios.portfolios where id = $1 and user_id = $2 for no key update";

/** What was computed with other inputs, and what has passed, makes room for another pending one. */
const EXPIRE = `
  update portfolios.recommendations r
  set status = 'expired', version = r.version + 1, updated_at = least(r.expires_at, clock_timestamp())
  from portfolios.portfolios p
  where p.id = r.portfolio_id and p.id = $1 and p.user_id = $2
    and r.status = 'pending' and r.inputs_hash is not null
    and ($3::text is null or r.inputs_hash <> $3 or r.expires_at <= now())`;

const PENDING = `
  select ${COLUMNS} from portfolios.recommendations r
  where r.portfolio_id = $1 and r.inputs_hash = $2 and r.status = 'pending'`;

const PRUNE = `
  delete from portfolios.recommendations where id in (
    select r.id from portfolios.recommendations r
    where r.portfolio_id = $1 and ${STATUS} in ('rejected', 'executed', 'expired')
    order by r.created_at, r.id
    limit greatest(0, (
      select count(*) from portfolios.recommendations where portfolio_id = $1
    ) - ${MAX_RECOMMENDATIONS - 1})
  )`;

const INSERT = `
  insert into portfolios.recommendations as r (
    id, portfolio_id, recommendation_type, rationale, proposed_orders, expected_impact, metadata,
    price_as_of, inputs_hash, created_at, updated_at, expires_at
  )
  select $2::uuid, $1::uuid, $3::text, $4::text, $5::jsonb, $6::numeric, $7::jsonb, $8::timestamptz, $9::text, clock.time, clock.time, clock.time + make_interval(secs => $10::int)
  from (select clock_timestamp() as time) clock
  where (select count(*) from portfolios.recommendations where portfolio_id = $1) < ${MAX_RECOMMENDATIONS}
  returning ${COLUMNS}`;

/** Keeps a recommendation of the user's own. @throws PORTFOLIO_NOT_FOUND, TOO_MANY_RECOMMENDATIONS */
export async function createRecommendation(
  db: Writing,
  portfolio: PortfolioKey,
  draft: Draft,
): Promise<Recommendation> {
  const own = { ...draft, price_as_of: null, inputs_hash: null, valid_for_seconds: null };
  return inPortfolio(db, portfolio, (query) => insert(query, portfolio.id, own));
}

/**
 * Keeps one that was computed, unless the same is pending already, which is answered then. What was computed with other
 * inputs and is pending expires. @throws PORTFOLIO_NOT_FOUND, TOO_MANY_RECOMMENDATIONS
 */
export async function keepGenerated(
  db: Writing,
  portfolio: PortfolioKey,
  draft: GeneratedDraft,
): Promise<Recommendation> {
  return inPortfolio(db, portfolio, async (query) => {
    await query(expireStatement(portfolio, draft.inputs_hash));
    const [same] = await query<RecommendationRow>({
      name: "portfolios.pending-recommendation-locked",
      text: PENDING,
      values: [portfolio.id, draft.inputs_hash],
    });
    return same ? recommendationOf(same) : insert(query, portfolio.id, draft);
  });
}

/** There is nothing to do: what was computed before and is pending expires. */
export async function expireGenerated(db: Writing, portfolio: PortfolioKey): Promise<void> {
  await db.query(expireStatement(portfolio, null));
}

function inPortfolio<Result>(
  db: Writing,
  { id, userId }: PortfolioKey,
  work: (query: Query) => Promise<Result>,
): Promise<Result> {
  return db.transaction(async (query) => {
    const statement = { name: "portfolios.lock-for-recommendations", text: LOCK, values: [id, userId] };
    const locked = await query(statement);
    if (locked.length === 0) throw problem("PORTFOLIO_NOT_FOUND");
    return work(query);
  });
}

function expireStatement({ id, userId }: PortfolioKey, inputsHash: string | null) {
  return { name: "portfolios.expire-recommendations", text: EXPIRE, values: [id, userId, inputsHash] };
}

interface Insertable extends Draft {
  readonly price_as_of: string | null;
  readonly inputs_hash: string | null;
  /** Null: it does not expire. */
  readonly valid_for_seconds: number | null;
}

async function insert(query: Query, portfolioId: string, draft: Insertable): Promise<Recommendation> {
  await query({ name: "portfolios.prune-recommendations", text: PRUNE, values: [portfolioId] });
  const [row] = await query<RecommendationRow>({
    name: "portfolios.create-recommendation",
    text: INSERT,
    values: [
      portfolioId,
      randomUUIDv7(),
      draft.recommendation_type,
      draft.rationale,
      // The driver would make an array of PostgreSQL's of it.
      JSON.stringify(draft.proposed_orders),
      draft.expected_impact,
      draft.metadata,
      draft.price_as_of,
      draft.inputs_hash,
      draft.valid_for_seconds,
    ],
  });
  if (!row) throw problem("TOO_MANY_RECOMMENDATIONS");
  return recommendationOf(row);
}
