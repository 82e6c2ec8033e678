import { presentWork } from "./deadline.ts";
import { tracing } from "./tracing.ts";

/** What each line of the log tells of the request that it was written for. */
export function logFields(): object {
  const requestId = presentWork()?.loggedAs;
  return { ...(requestId !== undefined && { requestId }), ...tracing?.logFields() };
}
