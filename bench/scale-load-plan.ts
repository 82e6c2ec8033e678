import type { Caller } from "./issuer.ts";

/**
 * What is asked: a user's list of portfolios (`first` by a token that no gateway has seen yet), a new portfolio, what a
 * portfolio of ten assets holds, and that this be kept (construct).
 */
export const KINDS = ["list", "first", "create", "holdings", "construct"] as const;
export type Kind = (typeof KINDS)[number];

/** The share of each kind, of 1. */
export type Mix = Readonly<Partial<Record<Kind, number>>>;

export interface ScaleLoadPlan {
  /** Of the gateways: each gets every so many-th request. */
  readonly urls: readonly string[];
  readonly mix: Mix;
  readonly callers: readonly Caller[];
  readonly seconds: number;
  /** Requests at a fixed rate, whatever the answers; without it, as many at once as there are `connections`. */
  readonly ratePerSecond?: number;
  readonly connections: number;
}

export interface ScaleLoadResult {
  readonly requests: number;
  readonly right: number;
  /** What was wrong, and how often. */
  readonly faults: Readonly<Record<string, number>>;
  /** How many portfolios were made. */
  readonly created: number;
  /** Due at the fixed rate, but not sent, because too many were under way. */
  readonly unsent: number;
  /** From the first request to the last reply. */
  readonly seconds: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
}
