import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { BenchError } from "./errors.ts";
import type { FloodCommand, FloodMessage, FloodPlan, FloodResult } from "./flood-plan.ts";

export interface FloodProcess {
  /** Begins to flood. */
  start(plan: FloodPlan): Promise<void>;
  /** Ends the flood. @returns what was answered from its beginning on. */
  finish(): Promise<FloodResult>;
  stop(): Promise<void>;
}

/** Starts the process that makes the flood: one of its own, so that it and the good load do not wait for each other. */
export function startFloodProcess(): FloodProcess {
  const child = fork(fileURLToPath(new URL("flood.ts", import.meta.url)), { execArgv: [] });
  const exited = once(child, "exit");

  function ask(command: FloodCommand): Promise<FloodMessage> {
    return new Promise((resolve, reject) => {
      const onExit = () => {
        child.off("message", onMessage);
        reject(new BenchError("The flood's process ended in the middle of a run; its output is above."));
      };
      const onMessage = (message: FloodMessage) => {
        child.off("exit", onExit);
        resolve(message);
      };
      child.once("exit", onExit);
      child.once("message", onMessage);
      child.send(command);
    });
  }

  return {
    async start(plan) {
      await ask({ start: plan });
    },
    async finish() {
      const message = await ask("stop");
      if ("result" in message) return message.result;
      throw new BenchError("The flood's process did not tell its result.");
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await exited;
    },
  };
}
