/** What a flood consists of: bad tokens, or the control, requests that are refused at first sight. */
export type FloodKind = "bad tokens" | "no token";

export interface FloodPlan {
  readonly kind: FloodKind;
  readonly url: string;
  readonly issuerUrl: string;
  readonly requestsPerSecond: number;
}

export interface FloodResult {
  readonly seconds: number;
  /** How often each status was answered, and what else happened to requests: errors by their text. */
  readonly answers: Readonly<Record<string, number>>;
}

export type FloodCommand = { readonly start: FloodPlan } | "stop";
export type FloodMessage = { readonly started: true } | { readonly result: FloodResult };
