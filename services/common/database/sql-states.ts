/** What PostgreSQL's errors are told apart by here: SQLSTATE (its manual, appendix A), by the names that it has there. */
export const UNIQUE_VIOLATION = "23505";
export const READ_ONLY_SQL_TRANSACTION = "25006";
export const SERIALIZATION_FAILURE = "40001";
export const DEADLOCK_DETECTED = "40P01";
export const LOCK_NOT_AVAILABLE = "55P03";
/** Cancelled, or at its time limit. */
export const QUERY_CANCELED = "57014";

/** Concurrent transactions stood in each other's way, and this one had to go. */
export const CONFLICTS: ReadonlySet<string> = new Set([SERIALIZATION_FAILURE, DEADLOCK_DETECTED]);

/** The SQLSTATE of an error of the database; of others whatever they have as their code. */
export function sqlStateOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "string" ? code : undefined;
}
