import pg from "pg";
import { asPartOf } from "../deadline.ts";
import { pingServer } from "./aside.ts";
import { abandonConnection, type Connection, type PooledClient, processIdOf } from "./connection.ts";
import type { ConnectionSupply } from "./connection-supply.ts";
import { ANSWER_TIMEOUT_MS, type Asking, LostReplies } from "./lost-replies.ts";
import { SilenceWatch } from "./silence-watch.ts";

export interface GuardOptions {
  readonly client: pg.ClientConfig;
  readonly supply: ConnectionSupply;
  readonly warn: (message: string) => void;
  /** A connection that nobody uses just now. */
  readonly lendIdle: () => PooledClient | undefined;
  readonly connect: () => Promise<PooledClient>;
  /** Closes those that nobody uses and on which nothing was heard since then. */
  readonly closeIdle: (heardBefore: number) => void;
  readonly fellSilent: () => void;
  readonly isBack: () => void;
}

/** Keeps a pool from waiting for what cannot come: from a server that is silent, on connections that lead nowhere. */
export class Guard {
  readonly #options: GuardOptions;
  readonly #lostReplies = new LostReplies();
  readonly #watch: SilenceWatch;
  /** Never connected: it knows where the server is, in whatever way that was said. */
  readonly #address: pg.Client;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.#address = new pg.Client(options.client);
    this.#watch = new SilenceWatch({
      connections: () => options.supply.connections,
      probe: () => this.#probe(),
      ping: () => pingServer(this.#address),
      fellSilent: () => this.#fellSilent(),
      isBack: () => this.#isBack(),
      waitLong: (connections) => void this.#abandonLost(connections),
    });
  }

  get isSilent(): boolean {
    return this.#watch.isSilent;
  }

  begin(): void {
    this.#watch.begin();
  }

  end(): void {
    this.#watch.end();
  }

  /** The answer to a statement goes the whole way, also where a pooler is in between; it is heard like any other. */
  #probe() {
    const client = asPartOf(undefined, this.#options.lendIdle);
    if (!client) return pingServer(this.#address);
    client.query("select 1").then(
      () => client.release(),
      (error: Error) => client.release(error),
    );
    return undefined;
  }

  #fellSilent(): void {
    this.#options.warn("The database does not answer: its connections are given up.");
    this.#options.supply.halt();
    this.#options.fellSilent();
  }

  #isBack(): void {
    this.#options.warn("The database answers again.");
    this.#options.supply.goOn();
    this.#options.isBack();
  }

  async #abandonLost(candidates: readonly Connection[]): Promise<void> {
    const { warn, closeIdle } = this.#options;
    const lost = await this.#lostAmong(candidates);
    if (lost.length === 0) return;
    warn(`The database knows nothing of ${lost.length} statements that wait for their reply: given up.`);
    closeIdle(quietSince(lost));
    for (const { client } of lost) abandonConnection(client);
  }

  async #lostAmong(candidates: readonly Connection[]): Promise<readonly Connection[]> {
    const { supply, connect, closeIdle } = this.#options;
    const beside = () => this.#lostReplies.among(candidates, () => this.#beside());
    // Where all are in use, and may all be lost, it is asked beside them: who waits for one should not wait for this, too.
    if (supply.counts().idle === 0) return beside().catch(() => []);
    return this.#lostReplies
      .among(candidates, connect)
      .catch(() => {
        // The connection that was to ask leads nowhere, and so may others that have not been used since.
        closeIdle(quietSince(candidates));
        return beside();
      })
      .catch(() => []);
  }

  /** One connection more than the pool may have, for the moment that a question takes. */
  async #beside(): Promise<Asking> {
    const client = new pg.Client({ ...this.#options.client, connectionTimeoutMillis: ANSWER_TIMEOUT_MS });
    client.on("error", () => undefined);
    await client.connect();
    return {
      processId: processIdOf(client),
      query: client.query.bind(client) as Asking["query"],
      release: () => void client.end().catch(() => undefined),
    };
  }
}

function quietSince(connections: readonly Connection[]): number {
  return Math.min(...connections.map(({ heardAt }) => heardAt));
}
