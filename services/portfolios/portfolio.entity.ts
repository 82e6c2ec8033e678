import { defineEntity, type InferEntity, p } from "@mikro-orm/postgresql";
import type { Guardrails, TargetAllocation } from "./contract/portfolio.ts";

/** The row of a portfolio, for writing; lists and single reads go by statements (`reads.ts`). */
export const PortfolioEntity = defineEntity({
  name: "Portfolio",
  tableName: "portfolios",
  schema: "portfolios",
  properties: {
    id: p.uuid().primary(),
    userId: p.uuid(),
    name: p.text(),
    description: p.text().nullable(),
    isDefault: p.boolean(),
    targetAllocation: p.json<TargetAllocation>().nullable(),
    guardrails: p.json<Guardrails>().nullable(),
    lastConstructedAt: p.datetime(6).nullable(),
    createdAt: p.datetime(6).defaultRaw("now()"),
    updatedAt: p.datetime(6),
    version: p.integer().version(),
  },
});
export type PortfolioEntity = InferEntity<typeof PortfolioEntity>;
