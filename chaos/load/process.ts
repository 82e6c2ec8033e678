/** The process that makes the load and keeps the account book. */
import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "../../bench/statistics.ts";
import { offer } from "../remote.ts";
import { asking } from "./ask.ts";
import { type Audit, auditDatabase, auditOverHttp } from "./audit.ts";
import { Balancer } from "./balancer.ts";
import { Book, type Client, chosen } from "./book.ts";
import { reads } from "./reads.ts";
import { isFailure, type Sample, type Window } from "./sample.ts";
import { writes } from "./writes.ts";

const TICK_MS = 5;
const WRITE_SHARE = 0.2;
const SHOWN_FAILURES_MAX = 20_000;
const SETTLED_AT_ONCE = 10;

const book = new Book();
const balancer = new Balancer();
const clients: Client[] = [];
const underWay = new Set<Promise<void>>();
let samples: Sample[] = [];
let rate = 0;
let due = 0;
let tickedAt = performance.now();
let sent = 0;

const ask = asking(balancer, (sample) => samples.push(sample));
const { read } = reads(ask);
const { write, settle } = writes(book, ask);

function begin(work: Promise<void>): void {
  const watched = work.finally(() => underWay.delete(watched));
  underWay.add(watched);
}

/** Requests are sent at their time, whether or not earlier ones have been answered. */
function tick(): void {
  const now = performance.now();
  const seconds = (now - tickedAt) / 1000;
  tickedAt = now;
  for (due += seconds * rate; due >= 1; due -= 1) {
    const client = clients[sent % clients.length] as Client;
    sent += 1;
    begin(Math.random() < WRITE_SHARE ? write(client, chosen(client)) : read(client, chosen(client)));
  }
}
setInterval(tick, TICK_MS);

function timesOf(some: readonly Sample[]) {
  const times = some.map(({ tookMs }) => tookMs).sort((one, other) => one - other);
  return { p50: percentile(times, 50), p99: percentile(times, 99) };
}

const functions = {
  /** One client per token, with what it has before the load begins. */
  async prepare(tokens: readonly string[]): Promise<void> {
    for (const token of tokens) clients.push({ token, things: [], lasting: [], account: "" });
    for (let first = 0; first < clients.length; first += SETTLED_AT_ONCE) {
      await Promise.all(clients.slice(first, first + SETTLED_AT_ONCE).map(settle));
    }
    const failed = samples.filter(isFailure)[0];
    if (failed)
      throw new Error(
        `The load could not be prepared: ${failed.operation}, ${failed.status} ${failed.problem}`,
      );
  },
  setGateways: (urls: readonly string[]) => balancer.setGateways(urls),
  readyGateways: () => balancer.readyCount(),
  setRate: (requestsPerSecond: number) => {
    rate = requestsPerSecond;
    due = 0;
  },
  /** What was sent between two moments and has been answered. */
  window: (from: number, to: number): Window => {
    const all = samples.filter(({ sentAt }) => sentAt >= from && sentAt < to);
    const failures = all.filter(isFailure);
    return {
      sent: all.length,
      failed: failures.length,
      failures: failures.slice(0, SHOWN_FAILURES_MAX),
      okMs: timesOf(all.filter((sample) => !isFailure(sample))),
    };
  },
  forget: () => {
    samples = [];
  },
  /** Sends no more, and waits for what is under way. */
  async quiesce(): Promise<void> {
    rate = 0;
    while (underWay.size > 0) await Promise.race([Promise.all(underWay), sleep(100)]);
  },
  audit: (databaseUrl: string): Promise<Audit> => auditDatabase(book, databaseUrl),
  auditOverHttp: (): Promise<string[]> => auditOverHttp(book, clients, () => balancer.next()),
};
export type LoadFunctions = typeof functions;

offer(functions);
