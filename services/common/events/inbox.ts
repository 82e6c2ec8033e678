import type { Envelope } from "../contract.ts";
import type { ConnectionPool } from "../database/pool.ts";
import { retryLostRaces } from "../database/retry.ts";
import { inTransaction, type Query } from "../database/transaction.ts";

/** How long it is remembered that an event was handled: far longer than its teller goes on telling it. */
const REMEMBERED_DAYS = 7;
/** So many are forgotten by one statement, and so many statements follow each other at most. */
const FORGOTTEN_AT_ONCE = 5_000;
const MAX_STATEMENTS = 20;

/** Does what an event means here, in the given transaction and nowhere else. */
export type Hear<Heard extends Envelope> = (query: Query, event: Heard) => Promise<void>;

/**
 * A handler that has each event's effect once, however often it comes: that it was handled is noted in the
 * transaction of its effect. Of two deliveries at once, the second waits for what becomes of the first.
 * @param hearer the full name of the action that is called.
 */
export function hearingOnce<Heard extends Envelope>(
  { service, pool }: { readonly service: string; readonly pool: ConnectionPool },
  hearer: string,
  hear: Hear<Heard>,
): (context: { readonly params: Heard }) => Promise<null> {
  const note = {
    name: `${service}.inbox.note`,
    text: `insert into ${service}.inbox (event_id, hearer) values ($1, $2) on conflict do nothing returning 1`,
  };
  return async ({ params: event }) => {
    await retryLostRaces(() =>
      inTransaction(pool, async (query) => {
        const isNew = (await query({ ...note, values: [event.event_id, hearer] })).length > 0;
        if (isNew) await hear(query, event);
      }),
    );
    return null;
  };
}

/** Deletes what was noted long ago. */
export async function forgetHandled(pool: ConnectionPool, service: string): Promise<void> {
  for (let count = 0; count < MAX_STATEMENTS; count += 1) {
    const forgotten = await pool.query({
      text: `delete from ${service}.inbox where ctid in (
          select ctid from ${service}.inbox where handled_at < now() - interval '${REMEMBERED_DAYS} days'
          order by handled_at limit ${FORGOTTEN_AT_ONCE} for update skip locked
        ) returning 1`,
    });
    if (forgotten.length < FORGOTTEN_AT_ONCE) return;
  }
}
