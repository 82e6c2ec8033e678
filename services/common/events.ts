import type { z } from "zod";
import type { Contract, Envelope, EventEntries, EventName, PayloadOf } from "./contract.ts";
import type { ConnectionPool } from "./database/pool.ts";
import type { Query } from "./database/transaction.ts";
import type { Hearers } from "./events/hearers.ts";
import { type Hear, hearingOnce } from "./events/inbox.ts";
import { type Occurrence, storing, storingValues } from "./events/outbox.ts";
import { openRelay } from "./events/relay.ts";
import type { Retries } from "./events/round.ts";
import type { Log, OpenService } from "./service.ts";

export interface EventsOptions<C extends Contract> {
  readonly contract: C;
  readonly pool: ConnectionPool;
  readonly log: Log;
  /** Who hears what, as the process's composition knows it. */
  readonly hearers: Hearers;
  /** Ten errors over some minutes set an event aside, unless this says otherwise. */
  readonly retries?: Retries;
}

/** The actions of a contract that hear an event. */
type HearingName<C extends Contract> = {
  [Action in keyof C["actions"] & string]: C["actions"][Action] extends { readonly hears: string }
    ? Action
    : never;
}[keyof C["actions"] & string];

type HeardBy<C extends Contract, Action extends HearingName<C>> = z.output<C["actions"][Action]["params"]> &
  Envelope;

/**
 * The events of a service. What it tells is stored in the transaction in which it happens and delivered from there:
 * at least once to each who hears it by contract, in order per aggregate, until it is handled or, after many errors,
 * set aside; and unconfirmed, as an event of the broker, to whoever listens. Needs `eventMigrations`.
 */
export interface Events<C extends Contract> {
  /** Stores an event in the caller's transaction: it is told after the commit, and never when there is none. */
  readonly store: <Name extends EventName<C>>(
    query: Query,
    event: Name,
    aggregateId: string,
    payload: PayloadOf<C, Name>,
  ) => Promise<void>;
  /** Stores several of a kind, in their order, with one statement. */
  readonly storeAll: <Name extends EventName<C>>(
    query: Query,
    event: Name,
    occurrences: readonly Occurrence<PayloadOf<C, Name>>[],
  ) => Promise<void>;
  /** The values of a statement that is written with `storing`; they are told soon after it. */
  readonly valuesOf: <Name extends EventName<C>>(
    event: Name,
    occurrences: readonly Occurrence<PayloadOf<C, Name>>[],
  ) => unknown[];
  /** The handler of an action that hears: its effect comes once, in the transaction that it is given. */
  readonly hearing: <Action extends HearingName<C>>(
    action: Action,
    hear: Hear<HeardBy<C, Action>>,
  ) => (context: { readonly params: HeardBy<C, Action> }) => Promise<null>;
  readonly begin: NonNullable<OpenService["begin"]>;
  readonly end: (limitMs?: number) => Promise<void>;
  readonly metrics: NonNullable<OpenService["metrics"]>;
}

/** Opens the events of a service; they are delivered between `begin` and `end`. */
export function openEvents<const C extends Contract>({
  contract,
  pool,
  log,
  hearers,
  retries,
}: EventsOptions<C>): Events<C> {
  const service = contract.name;
  const entries: EventEntries = contract.events ?? {};
  const relay = openRelay({ service, events: Object.keys(entries), hearers, pool, log, retries });
  const statement = { name: `${service}.outbox.store`, text: storing(service) };

  function valuesOf(event: string, occurrences: readonly Occurrence[]): unknown[] {
    const payload = (entries as Readonly<Record<string, z.ZodObject>>)[event] as z.ZodObject;
    const checked = occurrences.map((each) => ({ ...each, payload: payload.parse(each.payload) }));
    relay.poke();
    return storingValues(event, checked, hearers.get(event) ?? []);
  }

  async function storeAll(query: Query, event: string, occurrences: readonly Occurrence[]): Promise<void> {
    if (occurrences.length === 0) return;
    await query({ ...statement, values: valuesOf(event, occurrences) });
  }

  return {
    store: (query, event, aggregateId, payload) => storeAll(query, event, [{ aggregateId, payload }]),
    storeAll,
    valuesOf,
    hearing: (action, hear) => hearingOnce({ service, pool }, `${service}.${action}`, hear),
    begin: relay.begin,
    end: relay.end,
    metrics: relay.metrics,
  };
}
