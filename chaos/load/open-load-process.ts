/**
 * The process that makes an open load, forked by open-load.ts. Plain sockets, because a client that costs as much as the
 * server would leave it half of a small machine.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { INTERVAL_MS, type Interval, type OpenLoadPlan, type OpenLoadResult } from "./open-load.ts";
import { Schedule } from "./schedule.ts";

const TICK_MS = 5;
const END_OF_HEAD = Buffer.from("\r\n\r\n");

/** One connection; it asks one thing at a time. */
class Connection {
  readonly #patienceMs: number;
  readonly #url: URL;
  readonly #done: (connection: Connection) => void;
  readonly #intervalNow: () => Interval;
  #socket: Socket | undefined;
  #received: Buffer = Buffer.alloc(0);
  #expected = 0;
  #askedAt = 0;
  /** As it was told to when it was refused; how fast it is answered when it comes sooner says nothing. */
  #waitsUntil = 0;
  #interval: Interval | undefined;

  constructor(
    url: string,
    patienceMs: number,
    intervalNow: () => Interval,
    done: (connection: Connection) => void,
  ) {
    this.#url = new URL(url);
    this.#patienceMs = patienceMs;
    this.#intervalNow = intervalNow;
    this.#done = done;
  }

  get isBusy(): boolean {
    return this.#interval !== undefined;
  }

  ask(request: Buffer, interval: Interval): void {
    this.#interval = interval;
    interval.sent += 1;
    this.#askedAt = performance.now();
    this.#socket ??= this.#open();
    this.#socket.write(request);
  }

  giveUpIfLate(now: number): void {
    if (this.#interval && now - this.#askedAt > this.#patienceMs) this.#fail();
  }

  close(): void {
    this.#socket?.destroy();
  }

  /** Connects ahead of the first request. */
  async open(): Promise<void> {
    this.#socket = this.#open();
    await Promise.race([once(this.#socket, "connect"), once(this.#socket, "close")]);
  }

  #open(): Socket {
    const { hostname, port } = this.#url;
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    const lost = () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      if (this.#interval) this.#fail();
    };
    socket.on("error", lost).on("close", lost);
    socket.on("data", (data) => this.#read(data));
    return socket;
  }

  #read(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    if (this.#expected === 0) {
      const headEnd = this.#received.indexOf(END_OF_HEAD);
      if (headEnd === -1) return;
      const head = this.#received.toString("latin1", 0, headEnd);
      this.#expected = headEnd + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    }
    if (this.#received.length < this.#expected) return;
    const status = Number(this.#received.toString("latin1", 9, 12));
    const head = this.#received.toString("latin1", 0, this.#received.indexOf(END_OF_HEAD));
    this.#received = Buffer.alloc(0);
    this.#expected = 0;
    const interval = this.#interval;
    this.#interval = undefined;
    if (/\r\nconnection: close/i.test(head)) this.#drop();
    if (interval) this.#count(interval, status, /\r\nretry-after: (\d+)/i.exec(head)?.[1]);
    this.#done(this);
  }

  #count(interval: Interval, status: number, retryAfter: string | undefined): void {
    const now = performance.now();
    if (status >= 200 && status < 300) {
      interval.succeeded += 1;
      this.#intervalNow().came += 1;
    } else if (status === 503) {
      interval.refused += 1;
      if (this.#askedAt >= this.#waitsUntil) interval.refusedMs.push(now - this.#askedAt);
      if (retryAfter === undefined) return;
      interval.refusedWithRetryAfter += 1;
      this.#waitsUntil = now + Number(retryAfter) * 1_000;
    } else interval.other += 1;
  }

  #drop(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #fail(): void {
    if (this.#interval) this.#interval.unanswered += 1;
    this.#interval = undefined;
    this.#received = Buffer.alloc(0);
    this.#expected = 0;
    this.#drop();
    this.#done(this);
  }
}

async function run(plan: OpenLoadPlan): Promise<OpenLoadResult> {
  const { connections: count, patienceMs, tokens, urls } = plan;
  const requests = tokens.map((token) => requestOf(plan, token));
  const schedule = new Schedule(plan);
  const intervals: Interval[] = [];
  let asked = 0;
  let startedAt = performance.now();
  const elapsedMs = () => performance.now() - startedAt;
  const intervalNow = () => intervalAt(intervals, elapsedMs());
  const free: Connection[] = [];
  /** False when there is nothing to ask just now. */
  const ask = (connection: Connection) => {
    const dueMs = schedule.take(elapsedMs());
    if (dueMs === undefined) return false;
    const request = requests[asked % requests.length] as Buffer;
    asked += 1;
    connection.ask(request, intervalAt(intervals, dueMs));
    return true;
  };
  const done = (connection: Connection) => {
    if (!ask(connection)) free.push(connection);
  };
  const connections = Array.from({ length: count }, (_, index) => {
    return new Connection(urls[index % urls.length] as string, patienceMs, intervalNow, done);
  });
  free.push(...connections);
  for (const connection of connections) await connection.open();

  startedAt = performance.now();
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now();
      for (const connection of connections) connection.giveUpIfLate(now);
      let connection = free.pop();
      while (connection && ask(connection)) connection = free.pop();
      if (connection) free.push(connection);
      if (!schedule.isOver(now - startedAt) || connections.some(({ isBusy }) => isBusy)) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
  for (const connection of connections) connection.close();
  return { intervals, unsent: schedule.unsent };
}

function intervalAt(intervals: Interval[], ms: number): Interval {
  const index = Math.floor(ms / INTERVAL_MS);
  while (intervals.length <= index) {
    intervals.push({
      sent: 0,
      came: 0,
      succeeded: 0,
      refused: 0,
      refusedWithRetryAfter: 0,
      other: 0,
      unanswered: 0,
      refusedMs: [],
    });
  }
  return intervals[index] as Interval;
}

function requestOf({ method, path, body }: OpenLoadPlan, token: string): Buffer {
  const content =
    body === undefined
      ? ""
      : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
  return Buffer.from(
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n${content}\r\n${body ?? ""}`,
  );
}

process.on("message", (plan: OpenLoadPlan) => {
  void run(plan).then((result) => process.send?.(result));
});
process.once("disconnect", () => process.exit(0));
