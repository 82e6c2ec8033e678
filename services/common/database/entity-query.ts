import type { EntityManager } from "@mikro-orm/postgresql";
import { CompiledQuery, type Transaction } from "kysely";
import type pg from "pg";
import type { Query } from "./transaction.ts";

/** Runs our own statements in the transaction that an EntityManager has open. @throws when it has none. */
export function queryOf(em: EntityManager): Query {
  const transaction = em.getTransactionContext<Transaction<unknown>>();
  if (!transaction) throw new Error("This EntityManager has no transaction.");
  return async <Row extends pg.QueryResultRow>({ text, values = [] }: pg.QueryConfig) => {
    const { rows } = await transaction.executeQuery<Row>(CompiledQuery.raw(text, values));
    return rows;
  };
}
