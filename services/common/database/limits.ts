/** A statement that runs longer than any request may is stopped by the server. */
export const STATEMENT_TIMEOUT_MS = 15_000;
