import { randomUUIDv7 } from "node:crypto";
import { type EntityManager, LockMode } from "@mikro-orm/postgresql";
import type { Database } from "../common/database/database.ts";
import { retryLostRaces } from "../common/database/retry.ts";
import { problem } from "../common/problem.ts";
import type { Guardrails, Portfolio, TargetAllocation } from "./contract/portfolio.ts";
import { PortfolioEntity } from "./portfolio.entity.ts";
import { columnsOf, type PortfolioRow, portfolioOf } from "./row.ts";

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
  insert into portfolios.portfolios as p (id, user_id, name, description, is_default, target_allocation, guardrails)
  values ($1, $2, $3, $4, not exists (select from portfolios.portfolios where user_id = $2), $5, $6)
  returning ${columnsOf("p")}`;

/** Creates a portfolio. A user's first one is the default, whatever else is asked for. */
export function createPortfolio(
  database: Database,
  userId: string,
  members: NewPortfolio,
): Promise<Portfolio> {
  return members.is_default
    ? createDefault(database, userId, members)
    : retryLostRaces(() => insertPortfolio(database, userId, members));
}

/** One statement; of two that would be a user's first, the unique index lets one be it and the other tries again. */
async function insertPortfolio(
  { pool }: Database,
  userId: string,
  members: NewPortfolio,
): Promise<Portfolio> {
  const { name, description, target_allocation, guardrails } = members;
  const [row] = await pool.query<PortfolioRow>({
    name: "portfolios.create",
    text: INSERT,
    values: [randomUUIDv7(), userId, name, description, target_allocation, guardrails],
  });
  return portfolioOf(row as PortfolioRow);
}

function createDefault(database: Database, userId: string, members: NewPortfolio): Promise<Portfolio> {
  return inTransaction(database, async (em) => {
    await demoteDefault(em, userId);
    const portfolio = em.create(PortfolioEntity, {
      id: randomUUIDv7(),
      userId,
      name: members.name,
      description: members.description ?? null,
      isDefault: true,
      targetAllocation: members.target_allocation ?? null,
      guardrails: members.guardrails ?? null,
      updatedAt: new Date(),
    });
    await em.flush();
    return portfolioOfEntity(portfolio);
  });
}

/** Changes a portfolio. @throws PORTFOLIO_NOT_FOUND, PRECONDITION_FAILED when `version` is given and is not its version. */
export function updatePortfolio(
  database: Database,
  key: { readonly userId: string; readonly id: string; readonly version: number | undefined },
  changes: PortfolioChanges,
): Promise<Portfolio> {
  return inTransaction(database, async (em) => {
    const portfolio = await lockPortfolio(em, key);
    if (changes.is_default && !portfolio.isDefault) await demoteDefault(em, key.userId);
    if (changes.name !== undefined) portfolio.name = changes.name;
    if (changes.description !== undefined) portfolio.description = changes.description;
    if (changes.is_default !== undefined) portfolio.isDefault = changes.is_default;
    if (changes.target_allocation !== undefined) portfolio.targetAllocation = changes.target_allocation;
    if (changes.guardrails !== undefined) portfolio.guardrails = changes.guardrails;
    portfolio.updatedAt = new Date();
    await em.flush();
    return portfolioOfEntity(portfolio);
  });
}

/** Deletes a portfolio. @throws PORTFOLIO_NOT_FOUND, PRECONDITION_FAILED when `version` is given and is not its version. */
export function deletePortfolio(
  database: Database,
  key: { readonly userId: string; readonly id: string; readonly version: number | undefined },
): Promise<void> {
  return inTransaction(database, async (em) => {
    em.remove(await lockPortfolio(em, key));
    await em.flush();
  });
}

/** Deletes all of a user's portfolios. */
export async function erasePortfolios({ pool }: Database, userId: string): Promise<void> {
  await pool.query({
    name: "portfolios.erase-user",
    text: "delete from portfolios.portfolios where user_id = $1",
    values: [userId],
  });
}

function inTransaction<Result>(
  database: Database,
  work: (em: EntityManager) => Promise<Result>,
): Promise<Result> {
  return retryLostRaces(() => database.fork().transactional(work));
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
async function demoteDefault(em: EntityManager, userId: string): Promise<void> {
  const current = await em.findOne(
    PortfolioEntity,
    { userId, isDefault: true },
    { lockMode: LockMode.PESSIMISTIC_WRITE },
  );
  if (!current) return;
  current.isDefault = false;
  current.updatedAt = new Date();
  await em.flush();
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
