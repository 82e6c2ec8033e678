import type { ConnectionPool } from "./database/pool.ts";
import { retryLostRaces } from "./database/retry.ts";
import { QUERY_CANCELED, sqlStateOf } from "./database/sql-states.ts";
import type { Query } from "./database/transaction.ts";
import { type Writing, writingTo } from "./database/writing.ts";
import { type Claim, pack, partOf, unpack } from "./idempotency/claim.ts";
import { keyStore, Taken } from "./idempotency/store.ts";
import { writeOnce } from "./idempotency/write-once.ts";
import { isProblem, problem } from "./problem.ts";
import type { Log } from "./service.ts";

/**
 * Does what an action does, once for each Idempotency-Key of a user: repeats are answered with what the first one was,
 * whichever replica they come to, and whatever became of the one that it came to. Without a key it is just done.
 *
 * The work writes through `db` and answers the result, which is stored in the transaction of its writes; work that fails
 * leaves nothing behind. Where the reply takes more than a transaction (waiting for a job, or each part by itself), the
 * work answers what the reply is made of, and `reply` makes it: it may be begun again with the same, also by several
 * replicas at once, and must have no other effect then. What decides whether the caller may do this at all comes before,
 * because repeats are subject to it too.
 */
export interface Once {
  <Result>(work: (db: Writing) => Promise<Result>): Promise<Result>;
  <Done, Result>(
    work: (db: Writing) => Promise<Done>,
    reply: (done: Done) => Promise<Result>,
  ): Promise<Result>;
  /** The same for one of several things that a key stands for: a part of the action, or whom it is about. */
  readonly of: (name: string) => Once;
}

/** A service's memory of the keys that came with its requests. */
export interface Idempotency {
  /** For requests without a key. */
  readonly plain: Once;
  /** @param waitMs how long it may wait for another request that has the key just now. */
  readonly keyed: (claim: Claim, waitMs: number) => Once;
  /** From then on, what has been kept for long enough is forgotten now and then. */
  readonly begin: () => void;
  readonly end: () => void;
}

export interface IdempotencyOptions {
  readonly service: string;
  readonly pool: ConnectionPool;
  readonly log: Log;
}

type Work = (db: Writing) => Promise<unknown>;
type Reply = (done: unknown) => Promise<unknown>;

/** A request that is under way in this process. */
interface Underway {
  readonly body: Buffer;
  readonly answer: Promise<unknown>;
}

/** Each time, somebody else has had the key for a moment. */
const MAX_ATTEMPTS = 3;
const FORGET_INTERVAL_MS = 600_000;

/** Opens the memory of a service's keys. Needs `idempotencyMigrations`. */
export function openIdempotency({ service, pool, log }: IdempotencyOptions): Idempotency {
  const store = keyStore(service);
  const answer = answering(pool, store);
  const underway = new Map<string, Underway>();
  let forgetting: NodeJS.Timeout | undefined;

  /** Requests of one key that come to this process at the same time are one, and hold one connection at most. */
  async function shared(claim: Claim, waitMs: number, work: Work, reply: Reply | undefined) {
    const name = `${claim.userId} ${claim.action} ${claim.key.toString("base64url")}`;
    const end = performance.now() + waitMs;
    for (let present = underway.get(name); present; present = underway.get(name)) {
      if (!present.body.equals(claim.body)) throw problem("IDEMPOTENCY_KEY_REUSED");
      const answered = bounded(end - performance.now(), present.answer);
      const given = await answered.then((value) => ({ value }), unlessGivenUp);
      if (given) return given.value;
    }
    const answered = answer(claim, waitMs, work, reply).finally(() => underway.delete(name));
    underway.set(name, { body: claim.body, answer: answered });
    return answered;
  }

  const keyed = (claim: Claim, waitMs: number): Once =>
    onceOf(
      (work, reply) => shared(claim, waitMs, work, reply),
      (name) => keyed(partOf(claim, name), waitMs),
    );

  return {
    plain: plainOnce(writingTo(pool)),
    keyed,
    begin() {
      const forget = () =>
        store.forgetExpired(pool).catch((error) => {
          log.warn({ err: error }, "Idempotency keys that have expired could not be deleted.");
        });
      void forget();
      forgetting = setInterval(forget, FORGET_INTERVAL_MS).unref();
    },
    end: () => clearInterval(forgetting),
  };
}

/** Makes what answers one request: with what is known of its key, or by doing the work. */
function answering(pool: ConnectionPool, store: ReturnType<typeof keyStore>) {
  const alone: Query = (statement) => pool.query(statement);

  async function settled(claim: Claim, done: unknown, reply: Reply): Promise<unknown> {
    const result = pack(claim, await reply(done));
    return unpack(claim, await store.settle(alone, claim, result));
  }

  function attempt(claim: Claim, waitMs: number, work: Work, member: "done" | "result"): Promise<unknown> {
    const companion = {
      claim: (query: Query) => store.claim(query, claim, waitMs),
      keep: (query: Query, value: unknown) => store.keep(query, claim, { [member]: pack(claim, value) }),
    };
    return retryLostRaces(() => writeOnce(pool, companion, work));
  }

  return async (claim: Claim, waitMs: number, work: Work, reply: Reply | undefined): Promise<unknown> => {
    for (let count = 0; count < MAX_ATTEMPTS; count += 1) {
      const found = await store.find(alone, claim);
      if (found?.isSameBody === false) throw problem("IDEMPOTENCY_KEY_REUSED");
      if (found?.result) return unpack(claim, found.result);
      // Whoever began it may be at it still, or gone.
      if (found?.done && reply) return bounded(waitMs, settled(claim, unpack(claim, found.done), reply));
      try {
        if (!reply) return await attempt(claim, waitMs, work, "result");
        const done = await attempt(claim, waitMs, work, "done");
        return await settled(claim, done, reply);
      } catch (error) {
        if (!(error instanceof Taken)) throw error;
      }
    }
    throw problem("IDEMPOTENCY_KEY_IN_USE");
  };
}

function plainOnce(db: Writing): Once {
  const once: Once = onceOf(
    async (work, reply) => (reply ? reply(await work(db)) : work(db)),
    () => once,
  );
  return once;
}

function onceOf(
  act: (work: Work, reply: Reply | undefined) => Promise<unknown>,
  of: (name: string) => Once,
): Once {
  return Object.assign(act, { of }) as unknown as Once;
}

/** Whose time was up, or who has left, says nothing about those who are still there: one of them does it then. */
function unlessGivenUp(error: unknown): undefined {
  const isCanceled = sqlStateOf(error) === QUERY_CANCELED;
  if (!isCanceled && !isProblem(error, "DEADLINE_EXCEEDED") && !isProblem(error, "REQUEST_ABANDONED"))
    throw error;
}

/** What comes of it. @throws IDEMPOTENCY_KEY_IN_USE when that takes longer; it goes on. */
async function bounded(limitMs: number, work: Promise<unknown>): Promise<unknown> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(problem("IDEMPOTENCY_KEY_IN_USE")), limitMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
