import { isoTime } from "../common/database/times.ts";
import type { Guardrails, Portfolio, TargetAllocation } from "./contract/portfolio.ts";

/** A row of the table, as our own statements read it. */
export interface PortfolioRow {
  readonly id: string;
  readonly user_id: string;
  readonly name: string;
  readonly description: string | null;
  readonly is_default: boolean;
  readonly target_allocation: TargetAllocation | null;
  readonly guardrails: Guardrails | null;
  readonly last_constructed_at: string | null;
  readonly created_at: string;
  readonly updated_at: string;
  readonly version: number;
}

const COLUMNS = [
  "id",
  "user_id",
  "name",
  "description",
  "is_default",
  "target_allocation",
  "guardrails",
  "last_constructed_at",
  "created_at",
  "updated_at",
  "version",
] as const satisfies readonly (keyof PortfolioRow)[];

/** The columns of a `PortfolioRow`, of the table that goes by this name in a statement. */
export function columnsOf(table: string): string {
  return COLUMNS.map((column) => `${table}.${column}`).join(", ");
}

/** The wire's form of a row: what is absent is left out. */
export function portfolioOf(row: PortfolioRow): Portfolio {
  return {
    id: row.id,
    user_id: row.user_id,
    name: row.name,
    ...(row.description !== null && { description: row.description }),
    is_default: row.is_default,
    ...(row.target_allocation !== null && { target_allocation: row.target_allocation }),
    ...(row.guardrails !== null && { guardrails: row.guardrails }),
    ...(row.last_constructed_at !== null && { last_constructed_at: isoTime(row.last_constructed_at) }),
    created_at: isoTime(row.created_at),
    updated_at: isoTime(row.updated_at),
    version: row.version,
  };
}
