import { tracing } from "../tracing.ts";

/** A job's payload, with the trace in which it is asked for. */
export function withTrace(payload: object): object {
  const carried = tracing?.carried();
  return carried ? { ...payload, _traceparent: carried.traceparent } : payload;
}

/** Runs a job in the trace in which it was asked for; one that nobody asked for is a trace of its own. */
export function tracedJob(task: string, traceparent: unknown, run: () => Promise<void>): Promise<void> {
  if (!tracing) return run();
  const options = { name: `job ${task}`, kind: "consumer", attributes: { "job.task": task } } as const;
  return traceparent === undefined
    ? tracing.alone(options, run)
    : tracing.following({ traceparent }, options, run);
}
