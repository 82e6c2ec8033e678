export type Kind = "read" | "write";

/** A request that was sent, and what became of it. */
export interface Sample {
  readonly kind: Kind;
  readonly operation: string;
  /** As `nowMs` gives it. */
  readonly sentAt: number;
  readonly tookMs: number;
  /** 0 when there was no reply. */
  readonly status: number;
  /** The last part of the problem's type, or the code of the error that was met; "" of a success. */
  readonly problem: string;
  /** The request's id in logs, of a problem. */
  readonly requestId: string;
  readonly hasRetryAfter: boolean;
  readonly gateway: string;
  /** What was wrong in a reply that says that all is well. */
  readonly wrong: string | undefined;
}

export function isFailure({ status, wrong }: Sample): boolean {
  return status < 200 || status >= 300 || wrong !== undefined;
}

/** What was sent between two moments, and is answered by now. */
export interface Window {
  readonly sent: number;
  readonly failed: number;
  /** Of very many, the first ones. */
  readonly failures: readonly Sample[];
  /** Of those that succeeded. */
  readonly okMs: { readonly p50: number; readonly p99: number };
}
