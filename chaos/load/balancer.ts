import { setTimeout as sleep } from "node:timers/promises";

const INTERVAL_MS = 100;
/** Who does not answer within this is taken for gone. */
const TIMEOUT_MS = 1_000;

/**
 * Knows which gateways are ready, from asking each ten times a second, as a load balancer in front of them would. When
 * none is, requests go to all of them: what they answer then is a promise, too.
 */
export class Balancer {
  #gateways: readonly string[] = [];
  readonly #ready = new Set<string>();
  #next = 0;
  #isStopped = false;

  /** From then on, requests go to these, as they are ready; who is not among them is forgotten at once. */
  setGateways(urls: readonly string[]): void {
    const added = urls.filter((url) => !this.#gateways.includes(url));
    this.#gateways = urls;
    for (const url of this.#ready) if (!urls.includes(url)) this.#ready.delete(url);
    for (const url of added) void this.#watch(url);
  }

  /** Where the next request goes. */
  next(): string {
    const choice = this.#ready.size > 0 ? [...this.#ready] : this.#gateways;
    this.#next += 1;
    return choice[this.#next % choice.length] as string;
  }

  readyCount(): number {
    return this.#ready.size;
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #watch(url: string): Promise<void> {
    while (!this.#isStopped && this.#gateways.includes(url)) {
      const isReady = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(TIMEOUT_MS) }).then(
        async (reply) => {
          await reply.arrayBuffer();
          return reply.ok;
        },
        () => false,
      );
      if (isReady && this.#gateways.includes(url)) this.#ready.add(url);
      else this.#ready.delete(url);
      await sleep(INTERVAL_MS);
    }
  }
}
