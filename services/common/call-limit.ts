import { Errors } from "moleculer";

/**
 * A service begins no more calls than this at once. Far above what its database takes (`database/pool.ts` bounds that), and
 * below what its memory does; gateways, which follow how quick a service is, come there only when there are many of them.
 */
const MAX_CALLS = 2_000;
/** Beyond it, calls that are part of something already begun elsewhere. */
const RESERVE_FOR_INTERNAL = 500;

/** Moleculer's own for "not taken, the queue is full"; only a refusal before anything is done answers with it. */
export const TOO_MANY_CALLS = "QUEUE_FULL";

/** Bounds what a service has under way. */
export interface CallLimit {
  /** False when there is no room; else `left` must follow. */
  enter(isInternal: boolean): boolean;
  left(): void;
  /** What is answered then: the call was not executed, so callers try another replica, as often as their budget allows. */
  refusal(action: string, nodeID: string): Error;
}

/** A limit for the calls of one service. */
export function callLimit(maxCalls = MAX_CALLS, reserve = RESERVE_FOR_INTERNAL): CallLimit {
  let underWay = 0;
  return {
    enter(isInternal) {
      if (underWay >= (isInternal ? maxCalls + reserve : maxCalls)) return false;
      underWay += 1;
      return true;
    },
    left() {
      underWay -= 1;
    },
    refusal(action, nodeID) {
      const message = `Request of '${action}' was not executed on '${nodeID}': ${maxCalls} are under way.`;
      return new Errors.MoleculerRetryableError(message, 503, TOO_MANY_CALLS, { action, nodeID });
    },
  };
}
