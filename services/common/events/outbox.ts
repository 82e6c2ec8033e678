import { randomUUIDv7 } from "node:crypto";
import type pg from "pg";
import { isoTime } from "../database/times.ts";
import { tracing } from "../tracing.ts";

/** Whoever listens on the broker, unconfirmed: the hearer of each event beside those that contracts name. */
export const ANYONE = "*";

/** Something that happened to an aggregate. */
export interface Occurrence<Payload extends object = object> {
  readonly aggregateId: string;
  readonly payload: Payload;
}

/** A row of the outbox: an event on its way to one hearer. */
export interface OutboxRow {
  readonly position: string;
  readonly event_id: string;
  readonly event: string;
  readonly aggregate_id: string;
  readonly hearer: string;
  readonly payload: object;
  /** Of the span in which it happened. */
  readonly traceparent: string | null;
  readonly occurred_at: string;
  readonly failures: number;
  readonly silences: number;
}

/** A try that did not succeed. */
export interface Miss {
  readonly position: string;
  /** Whether the hearer answered, with an error, or did not answer. */
  readonly isAnswered: boolean;
  readonly error: string;
  readonly delayMs: number;
}

/**
 * The statement that stores events of one kind, or the last part of one that also writes what they tell of.
 * @param first the number of the first of its parameters, which `storingValues` gives.
 * @param written the name of a part of the statement that answers `id`s: only what happened to these is stored.
 */
export function storing(service: string, first = 1, written?: string): string {
  const [ids, event, aggregates, payloads, hearers, traceparent] = Array.from(
    { length: 6 },
    (_, n) => `$${first + n}`,
  );
  return `
    insert into ${service}.outbox (event_id, event, aggregate_id, payload, hearer, traceparent)
    select told.event_id, ${event}::text, told.aggregate_id, told.payload, heard.hearer, ${traceparent}::text
    from unnest(${ids}::uuid[], ${aggregates}::text[], ${payloads}::jsonb[])
      with ordinality as told (event_id, aggregate_id, payload, ordinal)
    cross join unnest(${hearers}::text[]) as heard (hearer)
    ${written === undefined ? "" : `where told.aggregate_id in (select id::text from ${written})`}
    order by told.ordinal`;
}

/** The six values that `storing` takes. */
export function storingValues(
  event: string,
  occurrences: readonly Occurrence[],
  hearers: readonly string[],
): unknown[] {
  return [
    occurrences.map(() => randomUUIDv7()),
    event,
    occurrences.map(({ aggregateId }) => aggregateId),
    occurrences.map(({ payload }) => JSON.stringify(payload)),
    [...hearers, ANYONE],
    tracing?.carried()?.traceparent ?? null,
  ];
}

/** What the hearer is called with. */
export function envelopeOf({ event_id, event, aggregate_id, occurred_at, position, payload }: OutboxRow) {
  return {
    event_id,
    event,
    aggregate_id,
    occurred_at: isoTime(occurred_at),
    sequence: Number(position),
    payload,
  };
}

/** What the gauges show. */
export interface OutboxCount {
  readonly waiting: number;
  readonly oldestSeconds: number;
  readonly setAside: number;
}

/** More are not counted, so that the count stays cheap. */
const MAX_COUNTED = 10_000;

export type OutboxStatements = ReturnType<typeof outboxStatements>;

/** The relay's statements on a service's outbox. */
export function outboxStatements(service: string) {
  const texts = textsOf(service);
  const withValues =
    (statement: { name: string; text: string }) =>
    (...values: unknown[]): pg.QueryConfig => ({ ...statement, values });
  return {
    isDue: (hearers: readonly string[]) => withValues(texts.isDue)(hearers),
    lock: texts.lock,
    take: (hearers: readonly string[], limit: number) => withValues(texts.take)(hearers, limit),
    delivered: (positions: readonly string[]) => withValues(texts.delivered)(positions),
    missed: (misses: readonly Miss[]) =>
      withValues(texts.missed)(
        misses.map(({ position }) => position),
        misses.map(({ isAnswered }) => isAnswered),
        misses.map(({ error }) => error),
        misses.map(({ delayMs }) => delayMs),
      ),
    setAside: (positions: readonly string[], maxFailures: number, maxSilences: number) =>
      withValues(texts.setAside)(positions, maxFailures, maxSilences),
    count: texts.count,
  };
}

function textsOf(service: string) {
  const outbox = `${service}.outbox`;
  const copied =
    "position, event_id, event, aggregate_id, hearer, payload, occurred_at, failures, silences, last_error";
  const named = (name: string, text: string) => ({ name: `${service}.outbox.${name}`, text });
  return {
    isDue: named(
      "is-due",
      `select 1 from unnest($1::text[]) as heard (hearer)
        where exists (
          select from ${outbox} each
          where each.hearer = heard.hearer and (next_attempt_at is null or next_attempt_at <= clock_timestamp())
        )
        limit 1`,
    ),
    // Held by one relay at a time over all replicas, until its transaction ends, however it ends.
    lock: named(
      "lock",
      `select pg_try_advisory_xact_lock(hashtextextended('${service}:relay', 0)) as "isMine"`,
    ),
    // What waits for its next try lets nothing of its aggregate pass, to the same hearer.
    take: named(
      "take",
      `select due.* from unnest($1::text[]) as heard (hearer) cross join lateral (
          select * from ${outbox} each
          where each.hearer = heard.hearer and not exists (
            select from ${outbox} earlier
            where earlier.hearer = each.hearer and earlier.aggregate_id = each.aggregate_id
              and earlier.position <= each.position and earlier.next_attempt_at > clock_timestamp()
          )
          order by each.position limit $2
        ) due
        order by due.position`,
    ),
    delivered: named("delivered", `delete from ${outbox} where position = any($1::bigint[])`),
    missed: named(
      "missed",
      `update ${outbox} o
        set failures = failures + missed.is_answered::int, silences = silences + (not missed.is_answered)::int,
            last_error = missed.error, next_attempt_at = clock_timestamp() + missed.delay_ms * interval '1 millisecond'
        from unnest($1::bigint[], $2::boolean[], $3::text[], $4::float8[])
          as missed (position, is_answered, error, delay_ms)
        where o.position = missed.position`,
    ),
    setAside: named(
      "set-aside",
      `with gone as (
          delete from ${outbox} where position = any($1::bigint[]) and (failures >= $2 or silences >= $3)
          returning ${copied}
        )
        insert into ${outbox}_set_aside (${copied}) select ${copied} from gone
        returning event_id, event, aggregate_id, hearer, last_error`,
    ),
    count: named(
      "count",
      `select (select count(*) from (select from ${outbox} limit ${MAX_COUNTED}) counted)::int as waiting,
        coalesce(extract(epoch from clock_timestamp() - (
          select occurred_at from ${outbox} order by position limit 1
        )), 0)::float8 as "oldestSeconds",
        (select count(*) from (select from ${outbox}_set_aside limit ${MAX_COUNTED}) counted)::int as "setAside"`,
    ),
  };
}
