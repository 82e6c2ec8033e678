import { Logger } from "graphile-worker";
import type { Log } from "../service.ts";

/**
 * graphile-worker's words in our log: what went wrong with itself. What each job does is told by `run-job.ts`: here it
 * would come with its whole payload; and its progress is not worth a line.
 */
export function graphileLogger(log: Log): Logger {
  return new Logger(() => (level, message, meta) => {
    if (meta?.failure === true) return;
    if (level === "error") log.error(`Jobs: ${message}`);
    if (level === "warning") log.warn(`Jobs: ${message}`);
  });
}
