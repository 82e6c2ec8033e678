import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { BenchError } from "./errors.ts";
import type { LoadMessage, LoadPlan, LoadResult } from "./load-plan.ts";

export interface LoadProcess<Plan = LoadPlan, Result = LoadResult> {
  /** Runs one plan; tells the share of replies that are in, 0 to 1, now and then. */
  run(plan: Plan, onProgress: (share: number) => void): Promise<Result>;
  stop(): Promise<void>;
}

/**
 * Starts the process that makes the load, so that making it and measuring the systems do not disturb each other.
 * @param module the one that makes it, beside this one.
 */
export function startLoadProcess<Plan extends object = LoadPlan, Result = LoadResult>(
  module = "load.ts",
): LoadProcess<Plan, Result> {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)), { execArgv: [] });
  const exited = once(child, "exit");

  return {
    run: (plan, onProgress) =>
      new Promise((resolve, reject) => {
        const onMessage = (message: LoadMessage<Result>) => {
          if ("progress" in message) return onProgress(message.progress);
          settle();
          if ("result" in message) resolve(message.result);
          else reject(new BenchError(`The load process failed: ${message.failure}`));
        };
        const onExit = () => {
          settle();
          reject(new BenchError("The load process ended in the middle of a run; its output is above."));
        };
        function settle() {
          child.off("message", onMessage);
          child.off("exit", onExit);
        }
        child.on("message", onMessage);
        child.once("exit", onExit);
        child.send(plan);
      }),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await exited;
    },
  };
}
