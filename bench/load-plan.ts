import type { Caller } from "./issuer.ts";
import type { RenameCounts } from "./renames.ts";

/**
 * What the callers do. `list`: each connection cycles through the callers. `cold`: each caller is used once.
 * `write`: as list, but each request makes a portfolio. `fresh`: as list, while portfolios are renamed in the database.
 */
export type LoadKind = "list" | "cold" | "write" | "fresh";

export interface LoadPlan {
  readonly kind: LoadKind;
  readonly url: string;
  readonly connections: number;
  readonly requests: number;
  readonly callers: readonly Caller[];
  /** Where a `fresh` load renames. */
  readonly databaseUrl: string;
}

export interface LoadResult {
  readonly requests: number;
  /** Replies that were right in status and content. */
  readonly right: number;
  /** What was wrong, and how often. */
  readonly faults: Readonly<Record<string, number>>;
  /** From the first request to the last reply. */
  readonly seconds: number;
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number };
  /** Processor time of the load process itself. */
  readonly cpuSeconds: number;
  /** Of a `fresh` load only. */
  readonly renames: RenameCounts | undefined;
}

export type LoadMessage<Result = LoadResult> =
  | { readonly progress: number }
  | { readonly result: Result }
  | { readonly failure: string };
