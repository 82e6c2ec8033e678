/** Functions of another process, called over the channel that `fork` opens: the load and the proxies have one each. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { ChaosError } from "./errors.ts";

type Functions = Readonly<Record<string, (...parameters: never[]) => unknown>>;

interface Call {
  readonly number: number;
  readonly name: string;
  readonly parameters: readonly unknown[];
}
type Reply = { readonly number: number } & ({ readonly result: unknown } | { readonly failure: string });

export interface Remote<Offered extends Functions> {
  readonly pid: number;
  call<Name extends keyof Offered & string>(
    name: Name,
    ...parameters: Parameters<Offered[Name]>
  ): Promise<Awaited<ReturnType<Offered[Name]>>>;
  stop(): Promise<void>;
}

/** Starts a process that offers functions with `offer`. */
export function startRemote<Offered extends Functions>(module: URL): Remote<Offered> {
  // A process group of its own: Ctrl-C reaches the main process, which stops the others in order.
  const child = fork(module, { execArgv: [], detached: true, serialization: "advanced" });
  const exited = once(child, "exit");
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let number = 0;

  child.on("message", (reply: Reply) => {
    const { resolve, reject } = waiting.get(reply.number) as PromiseWithResolvers<unknown>;
    waiting.delete(reply.number);
    if ("result" in reply) resolve(reply.result);
    else reject(new ChaosError(reply.failure));
  });
  child.once("exit", (code, signal) => {
    const error = new ChaosError(`A process of the harness ended (${signal ?? code}); its output is above.`);
    for (const { reject } of waiting.values()) reject(error);
  });

  return {
    pid: child.pid as number,
    async call(name, ...parameters) {
      const promise = Promise.withResolvers<unknown>();
      number += 1;
      waiting.set(number, promise);
      child.send({ number, name, parameters } satisfies Call);
      // What comes back is what the function of that name gave.
      return (await promise.promise) as never;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await exited;
    },
  };
}

/** Lets the process that has started this one call these functions; ends with it. */
export function offer(functions: Functions): void {
  async function answer({ number, name, parameters }: Call): Promise<Reply> {
    const called = functions[name] as ((...parameters: readonly unknown[]) => unknown) | undefined;
    try {
      return { number, result: await called?.(...parameters) };
    } catch (error) {
      return { number, failure: (error as Error).stack ?? String(error) };
    }
  }
  process.on("message", async (call: Call) => {
    const reply = await answer(call);
    if (process.connected) process.send?.(reply);
  });
  process.once("disconnect", () => process.exit(0));
}
