import { randomUUIDv7 } from "node:crypto";
import { type EntityManager, LockMode } from "@mikro-orm/postgresql";
import type { Database } from "../common/database/database.ts";
import { queryOf } from "../common/database/entity-query.ts";
import { retryLostRaces } from "../common/database/retry.ts";
import { inTransaction as inPlainTransaction, type Query } from "../common/database/transaction.ts";
import type { Writing } from "../common/database/writing.ts";
import { storing } from "../common/events/outbox.ts";
import type { Events } from "../common/events.ts";
import { eraseKeys } from "../common/idempotency/store.ts";
import { problem } from "../common/problem.ts";
import type { portfolioEvents } from "./contract/events.ts";
import type { Guardrails, Portfolio, TargetAllocation } from "./contract/portfolio.ts";
import type { portfolios } from "./contract.ts";
import { PortfolioEntity } from "./portfolio.entity.ts";
import { columnsOf, type PortfolioRow, portfolioOf } from "./row.ts";

/** What portfolios are written with. */
export interface PortfolioStore {
  readonly database: Database;
  readonly events: Events<typeof portfolios>;
}

/** What a client may set; a member that is undefined stays as it is, null clears it. */
export interface PortfolioChanges {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly is_default?: boolean | undefined;
  readonly target_allocation?: TargetAllocation | null | undefined;
  readonly guardrails?: Guardrails | null | undefined;
}

type NewPortfolio = PortfolioChanges & { readonly name: string };

const INSERT = `
  with told as (${storing("portfolios", 7)})
  insert into portfolios.portfolios as p (id, user_id, name, description, is_default, target_allocation, guardrails)
  values ($1, $2, $3, $4, $13 or not exists (select from portfolios.portfolios where user_id = $2), $5, $6)
  returning ${columnsOf("p")}`;

const DEMOTE = `
  update portfolios.portfolios set is_default = false, updated_at = now(), version = version + 1
  where user_id = $1 and is_default
  returning id`;

/** Creates a portfolio. A user's first one is the default, whatever else is asked for. */
export function createPortfolio(
  events: PortfolioStore["events"],
  db: Writing,
  userId: string,
  members: NewPortfolio,
): Promise<Portfolio> {
  return members.is_default
    ? db.transaction((query) => insertDefault(events, query, userId, members))
    : insertPortfolio(events, db.racing, userId, members);
}

/** One statement, its event included; of two that would be a user's first, the unique index lets one be it and the other tries again. */
async function insertPortfolio(
  events: PortfolioStore["events"],
  query: Query,
  userId: string,
  members: NewPortfolio,
): Promise<Portfolio> {
  const { name, description, is_default = false, target_allocation, guardrails } = members;
  const id = randomUUIDv7();
  const created = { aggregateId: id, payload: { portfolio_id: id, user_id: userId } };
  const told = events.valuesOf("portfolios.created", [created]);
  const [row] = await query<PortfolioRow>({
    name: "portfolios.create",
    text: INSERT,
    values: [id, userId, name, description, target_allocation, guardrails, ...told, is_default],
  });
  return portfolioOf(row as PortfolioRow);
}

/** In place of the default that there is; of two at once the unique index refuses one, which then begins again. */
async function insertDefault(
  events: PortfolioStore["events"],
  query: Query,
  userId: string,
  members: NewPortfolio,
): Promise<Portfolio> {
  const statement = { name: "portfolios.demote-default", text: DEMOTE, values: [userId] };
  const [demoted] = await query<{ id: string }>(statement);
  if (demoted) {
    const { id } = demoted;
    await events.store(query, "portfolios.updated", id, { portfolio_id: id, user_id: userId });
  }
  return insertPortfolio(events, query, userId, members);
}

/** Changes a portfolio. @throws PORTFOLIO_NOT_FOUND, PRECONDITION_FAILED when `version` is given and is not its version. */
export function updatePortfolio(
  store: PortfolioStore,
  key: { readonly userId: string; readonly id: string; readonly version: number | undefined },
  changes: PortfolioChanges,
): Promise<Portfolio> {
  return inTransaction(store, async (em, tell) => {
    const portfolio = await lockPortfolio(em, key);
    if (changes.is_default && !portfolio.isDefault) await demoteDefault(em, tell, key.userId);
    if (changes.name !== undefined) portfolio.name = changes.name;
    if (changes.description !== undefined) portfolio.description = changes.description;
    if (changes.is_default !== undefined) portfolio.isDefault = changes.is_default;
    if (changes.target_allocation !== undefined) portfolio.targetAllocation = changes.target_allocation;
    if (changes.guardrails !== undefined) portfolio.guardrails = changes.guardrails;
    portfolio.updatedAt = new Date();
    await em.flush();
    await tell("portfolios.updated", portfolio);
    return portfolioOfEntity(portfolio);
  });
}

/** Deletes a portfolio. @throws PORTFOLIO_NOT_FOUND, PRECONDITION_FAILED when `version` is given and is not its version. */
export function deletePortfolio(
  store: PortfolioStore,
  key: { readonly userId: string; readonly id: string; readonly version: number | undefined },
): Promise<void> {
  return inTransaction(store, async (em, tell) => {
    const portfolio = await lockPortfolio(em, key);
    em.remove(portfolio);
    await em.flush();
    await tell("portfolios.deleted", portfolio);
  });
}

/** Deletes all of a user's portfolios, and what is kept of the user's keys. */
export function erasePortfolios(
  { database: { pool }, events }: PortfolioStore,
  userId: string,
): Promise<void> {
  return retryLostRaces(() =>
    inPlainTransaction(pool, async (query) => {
      const gone = await query<{ id: string }>({
        name: "portfolios.erase-user",
        text: "delete from portfolios.portfolios where user_id = $1 returning id",
        values: [userId],
      });
      const deleted = gone.map(({ id }) => ({
        aggregateId: id,
        payload: { portfolio_id: id, user_id: userId },
      }));
      await events.storeAll(query, "portfolios.deleted", deleted);
      await eraseKeys(query, "portfolios", userId);
    }),
  );
}

/** Removes an account from all portfolios of its user. */
export async function forgetAccount(
  query: Query,
  { account_id, user_id }: { readonly account_id: string; readonly user_id: string },
): Promise<void> {
  await query({
    name: "portfolios.forget-account",
    text: "delete from portfolios.portfolio_accounts where account_id = $1 and user_id = $2",
    values: [account_id, user_id],
  });
}

/** Stores what happens to a portfolio, in the transaction in which it happens. */
type Tell = (
  event: keyof typeof portfolioEvents,
  portfolio: { readonly id: string; readonly userId: string },
) => Promise<void>;

function inTransaction<Result>(
  { database, events }: PortfolioStore,
  work: (em: EntityManager, tell: Tell) => Promise<Result>,
): Promise<Result> {
  return retryLostRaces(() =>
    database
      .fork()
      .transactional((em) =>
        work(em, (event, { id, userId }) =>
          events.store(queryOf(em), event, id, { portfolio_id: id, user_id: userId }),
        ),
      ),
  );
}

async function lockPortfolio(
  em: EntityManager,
  {
    id,
    userId,
    version,
  }: { readonly userId: string; readonly id: string; readonly version: number | undefined },
): Promise<PortfolioEntity> {
  const portfolio = await em.findOne(
    PortfolioEntity,
    { id, userId },
    { lockMode: LockMode.PESSIMISTIC_WRITE },
  );
  if (!portfolio) throw problem("PORTFOLIO_NOT_FOUND");
  if (version !== undefined && portfolio.version !== version) throw problem("PRECONDITION_FAILED");
  return portfolio;
}

/** Makes room for another default; the unique index refuses a second one, and then the transaction runs again. */
async function demoteDefault(em: EntityManager, tell: Tell, userId: string): Promise<void> {
  const current = await em.findOne(
    PortfolioEntity,
    { userId, isDefault: true },
    { lockMode: LockMode.PESSIMISTIC_WRITE },
  );
  if (!current) return;
  current.isDefault = false;
  current.updatedAt = new Date();
  await em.flush();
  await tell("portfolios.updated", current);
}

function portfolioOfEntity(entity: PortfolioEntity): Portfolio {
  return portfolioOf({
    id: entity.id,
    user_id: entity.userId,
    name: entity.name,
    description: entity.description ?? null,
    is_default: entity.isDefault,
    target_allocation: entity.targetAllocation ?? null,
    guardrails: entity.guardrails ?? null,
    last_constructed_at: entity.lastConstructedAt?.toISOString() ?? null,
    created_at: entity.createdAt.toISOString(),
    updated_at: entity.updatedAt.toISOString(),
    version: entity.version,
  });
}
