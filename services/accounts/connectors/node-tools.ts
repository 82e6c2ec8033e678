import type { Outgoing } from "../../common/outgoing/outgoing.ts";

/** How nodes of chains are asked. */
export interface NodeTools {
  readonly outgoing: Outgoing;
  /** For one request. */
  readonly timeoutMs: number;
}
