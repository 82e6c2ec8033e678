import { randomBytes } from "node:crypto";
import { ServiceBroker, type ServiceSchema } from "moleculer";
import { z } from "zod";
import { brokerOptions } from "../../../moleculer.config.ts";
import { readProcessConfig } from "../../../services/common/broker-config.ts";
import { contract, type Envelope, hears } from "../../../services/common/contract.ts";
import { readDatabaseSettings } from "../../../services/common/database/config.ts";
import { type Database, openDatabase } from "../../../services/common/database/database.ts";
import { databaseProblem } from "../../../services/common/database/errors.ts";
import { inTransaction, type Query } from "../../../services/common/database/transaction.ts";
import { hearersOf } from "../../../services/common/events/hearers.ts";
import { eventMigrations } from "../../../services/common/events/migrations.ts";
import type { Retries } from "../../../services/common/events/round.ts";
import { openEvents } from "../../../services/common/events.ts";
import { implement } from "../../../services/common/implement.ts";

/** Tells what was said, number by number. */
export const tellers = contract(
  "tellers",
  {},
  { events: { "tellers.said": z.strictObject({ number: z.int() }) } },
);
/** Writes down what it hears. */
export const listeners = contract("listeners", {
  heard: hears(tellers, "tellers.said", "Write down what was said."),
});
const hearers = hearersOf([tellers, listeners]);

export type Said = Envelope<{ readonly number: number }>;
export type Hear = (query: Query, event: Said) => Promise<void>;

/** Soon, and only three times. */
const RETRIES: Retries = { firstPauseMs: 50, maxPauseMs: 200, maxFailures: 3, maxSilences: 100 };

export const migrationsOf = { tellers: eventMigrations, listeners: eventMigrations };

async function open(service: keyof typeof migrationsOf, url: string): Promise<Database> {
  const settings = readDatabaseSettings(service, {
    DATABASE_URL: url,
    DB_MIN_CONNECTIONS: "1",
    DB_MAX_CONNECTIONS: "12",
  });
  const log = { info: () => undefined, warn: () => undefined };
  return openDatabase({ settings, entities: [], migrations: eventMigrations, log });
}

export type Teller = Awaited<ReturnType<typeof openTeller>>;

/** A replica of who tells. */
export async function openTeller(url: string, retries = RETRIES) {
  const { pool, close } = await open("tellers", url);
  const lines: { level: string; message: unknown[] }[] = [];
  const note =
    (level: string) =>
    (...message: unknown[]) =>
      void lines.push({ level, message });
  const log = { info: note("info"), warn: note("warn"), error: note("error") };
  const events = openEvents({ contract: tellers, pool, log, hearers, retries });
  return {
    pool,
    events,
    lines,
    /** Stores one event for each number, in one transaction, and then does something in it. */
    say: (aggregate: string, numbers: readonly number[], before?: () => void) =>
      inTransaction(pool, async (query) => {
        for (const number of numbers) await events.store(query, "tellers.said", aggregate, { number });
        before?.();
      }),
    close,
  };
}

/** Writes down once more what was said to whom, so that an effect that comes twice is seen. */
export const writeDown: Hear = async (query, { aggregate_id, payload }) => {
  await query({
    text: "insert into listeners.effects (aggregate, number) values ($1, $2)",
    values: [aggregate_id, payload.number],
  });
};

/** A replica of who hears. */
export async function openListener(url: string, hear = writeDown) {
  const { pool, close } = await open("listeners", url);
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const events = openEvents({ contract: listeners, pool, log: silent, hearers });
  const schema = implement({
    contract: listeners,
    problemBehind: databaseProblem,
    handlers: { heard: events.hearing("heard", hear) },
  });
  return { pool, events, schema, close };
}

export function newNamespace(): string {
  return `test-${randomBytes(6).toString("hex")}`;
}

/** A broker set up as those of real processes are. */
export async function startNode(
  natsUrl: string,
  namespace: string,
  services: readonly ServiceSchema[] = [],
): Promise<ServiceBroker> {
  const config = readProcessConfig({ NATS_URL: natsUrl, NATS_NAMESPACE: namespace });
  const nodeID = `node-${randomBytes(4).toString("hex")}`;
  const broker = new ServiceBroker({ ...brokerOptions(nodeID, config), logger: false });
  for (const service of services) broker.createService(service);
  await broker.start();
  return broker;
}
