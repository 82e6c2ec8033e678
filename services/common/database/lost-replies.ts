import { bytesHeard, type Connection, isBusy, type PooledClient, processIdOf } from "./connection.ts";

/**
 * Which of these backends run no statement, or are gone. A pooler between us and the server gives its clients other ids
 * than the server's: then nothing can be said.
 */
const WITHOUT_STATEMENT = `
  select asked.pid from unnest($1::int[]) as asked (pid)
  left join pg_stat_activity a on a.pid = asked.pid
  where pg_backend_pid() = $2 and (a.pid is null or a.state like 'idle%')`;
/** A connection that gives no answer for so long is of no use to ask on. */
export const ANSWER_TIMEOUT_MS = 1_000;
/** So often must it be found before it is believed: a reply may be on its way. */
const FINDINGS = 2;

/** A connection to ask on. */
export type Asking = Pick<PooledClient, "processId" | "query" | "release">;

/**
 * Finds the connections whose reply will never come: the server, asked on another one, runs no statement of theirs.
 * Something between here and there has forgotten them.
 */
export class LostReplies {
  readonly #findings = new WeakMap<Connection, { readonly bytes: number; readonly count: number }>();
  #isLooking = false;

  /**
   * @param connect lends another connection to ask on.
   * @throws when that one gives no answer either.
   */
  async among(
    candidates: readonly Connection[],
    connect: () => Promise<Asking>,
  ): Promise<readonly Connection[]> {
    if (this.#isLooking) return [];
    this.#isLooking = true;
    try {
      const asked = candidates.map((connection) => ({ connection, bytes: bytesHeard(connection.client) }));
      const idle = await backendsWithoutStatement(candidates, await connect());
      return asked
        .filter(({ connection }) => idle.has(processIdOf(connection.client)))
        .filter(({ connection, bytes }) => this.#isFound(connection, bytes))
        .map(({ connection }) => connection);
    } finally {
      this.#isLooking = false;
    }
  }

  #isFound(connection: Connection, bytes: number): boolean {
    if (!isBusy(connection.client) || bytesHeard(connection.client) !== bytes) return false;
    const before = this.#findings.get(connection);
    const count = before?.bytes === bytes ? before.count + 1 : 1;
    this.#findings.set(connection, { bytes, count });
    return count >= FINDINGS;
  }
}

async function backendsWithoutStatement(
  candidates: readonly Connection[],
  client: Asking,
): Promise<ReadonlySet<number | null>> {
  const ids = candidates.map((connection) => processIdOf(connection.client));
  const statement = {
    text: WITHOUT_STATEMENT,
    values: [ids, client.processId],
    query_timeout: ANSWER_TIMEOUT_MS,
  };
  try {
    const { rows } = await client.query<{ pid: number }>(statement);
    client.release();
    return new Set(rows.map(({ pid }) => pid));
  } catch (error) {
    client.release(error as Error);
    throw error;
  }
}
