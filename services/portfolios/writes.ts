import { randomUUIDv7 } from "node:crypto";
import { type EntityManager, LockMode } from "@mikro-orm/postgresql";
import type { Database } from "../common/database/database.ts";
import { retryLostRaces } from "../common/database/retry.ts";
import { problem } from "../common/problem.ts";
import type { Guardrails, Portfolio, TargetAllocation } from "./contract.ts";
import { PortfolioEntity } from "./portfolio.entity.ts";

/** What a client may set; a member that is undefined stays as it is, null clears it. */
export interface PortfolioChanges {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly is_default?: boolean | undefined;
  readonly target_allocation?: TargetAllocation | null | undefined;
  readonly guardrails?: Guardrails | null | undefined;
}

/** Creates a portfolio. A user's first one is the default, whatever else is asked for. */
export function createPortfolio(
  database: Database,
  userId: string,
  members: PortfolioChanges & { readonly name: string },
): Promise<Portfolio> {
  return inTransaction(database, async (em) => {
    if (members.is_default) await demoteDefault(em, userId);
    const isFirst = !members.is_default && (await em.findOne(PortfolioEntity, { userId }, { fields: ["id"] })) === null;
    const now = new Date();
    const portfolio = em.create(PortfolioEntity, {
      id: randomUUIDv7(),
      userId,
      name: members.name,
      description: members.description ?? null,
      isDefault: isFirst || members.is_default === true,
      targetAllocation: members.target_allocation ?? null,
      guardrails: members.guardrails ?? null,
      createdAt: now,
      updatedAt: now,
    });
    await em.flush();
    return portfolioOf(portfolio);
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
    return portfolioOf(portfolio);
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

function inTransaction<Result>(database: Database, work: (em: EntityManager) => Promise<Result>): Promise<Result> {
  return retryLostRaces(() => database.fork().transactional(work));
}

async function lockPortfolio(
  em: EntityManager,
  { id, userId, version }: { readonly userId: string; readonly id: string; readonly version: number | undefined },
): Promise<PortfolioEntity> {
  const portfolio = await em.findOne(PortfolioEntity, { id, userId }, { lockMode: LockMode.PESSIMISTIC_WRITE });
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

function portfolioOf(entity: PortfolioEntity): Portfolio {
  return {
    id: entity.id,
    user_id: entity.userId,
    name: entity.name,
    ...(entity.description && { description: entity.description }),
    is_default: entity.isDefault,
    ...(entity.targetAllocation && { target_allocation: entity.targetAllocation }),
    ...(entity.guardrails && { guardrails: entity.guardrails }),
    ...(entity.lastConstructedAt && { last_constructed_at: entity.lastConstructedAt.toISOString() }),
    created_at: entity.createdAt.toISOString(),
    updated_at: entity.updatedAt.toISOString(),
    version: entity.version,
  };
}
