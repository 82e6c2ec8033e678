/**
 * The process that makes an open load, forked by open-load.ts. Plain sockets, because a client that costs as much as the
 * server would leave it half of a small machine.
 */
import { connect, type Socket } from "node:net";
import { type OpenLoadPlan, type OpenLoadResult, SLOT_MS, type Slot } from "./open-load.ts";

const TICK_MS = 5;
const END_OF_HEAD = Buffer.from("\r\n\r\n");

/** One connection; it asks one thing at a time. */
class Connection {
  readonly #plan: OpenLoadPlan;
  readonly #done: (connection: Connection) => void;
  #socket: Socket | undefined;
  #received: Buffer = Buffer.alloc(0);
  #expected = 0;
  #dueAt = 0;
  #slot: Slot | undefined;

  constructor(plan: OpenLoadPlan, done: (connection: Connection) => void) {
    this.#plan = plan;
    this.#done = done;
  }

  get isBusy(): boolean {
    return this.#slot !== undefined;
  }

  ask(request: Buffer, dueAt: number, slot: Slot): void {
    this.#slot = slot;
    this.#dueAt = dueAt;
    this.#socket ??= this.#open();
    this.#socket.write(request);
  }

  giveUpIfLate(now: number): void {
    if (this.#slot && now - this.#dueAt > this.#plan.patienceMs) this.#fail();
  }

  close(): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    const { hostname, port } = new URL(this.#plan.url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    const lost = () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      if (this.#slot) this.#fail();
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
    const slot = this.#slot;
    this.#slot = undefined;
    if (/\r\nconnection: close/i.test(head)) this.#drop();
    if (slot) count(slot, status, /\r\nretry-after: \d/i.test(head), performance.now() - this.#dueAt);
    this.#done(this);
  }

  #drop(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #fail(): void {
    if (this.#slot) this.#slot.unanswered += 1;
    this.#slot = undefined;
    this.#received = Buffer.alloc(0);
    this.#expected = 0;
    this.#drop();
    this.#done(this);
  }
}

function count(slot: Slot, status: number, hasRetryAfter: boolean, tookMs: number): void {
  if (status >= 200 && status < 300) {
    slot.succeeded += 1;
    slot.succeededMs.push(tookMs);
  } else if (status === 503) {
    slot.refused += 1;
    slot.refusedMs.push(tookMs);
    if (hasRetryAfter) slot.refusedWithRetryAfter += 1;
  } else slot.other += 1;
}

async function run(plan: OpenLoadPlan): Promise<OpenLoadResult> {
  const requests = plan.tokens.map((token) => requestOf(plan, token));
  const slots: Slot[] = [];
  const waiting: { dueAt: number; slot: Slot }[] = [];
  let waitingFrom = 0;
  let asked = 0;
  let lateMs = 0;
  const free: Connection[] = [];
  const ask = (connection: Connection, dueAt: number, slot: Slot) => {
    connection.ask(requests[asked % requests.length] as Buffer, dueAt, slot);
    asked += 1;
  };
  const connections = Array.from(
    { length: plan.connections },
    () =>
      new Connection(plan, (connection) => {
        const now = performance.now();
        for (; waitingFrom < waiting.length; waitingFrom += 1) {
          const next = waiting[waitingFrom] as { dueAt: number; slot: Slot };
          if (now - next.dueAt <= plan.patienceMs) {
            waitingFrom += 1;
            return ask(connection, next.dueAt, next.slot);
          }
          next.slot.unanswered += 1;
        }
        free.push(connection);
      }),
  );
  free.push(...connections);

  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  const totalMs = plan.stages.reduce((sum, { seconds }) => sum + seconds * 1000, 0);
  let dueMs = 0;
  let lastTick = startedAt;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now();
      lateMs = Math.max(lateMs, now - lastTick - TICK_MS);
      lastTick = now;
      for (const connection of connections) connection.giveUpIfLate(now);
      for (; dueMs < Math.min(totalMs, now - startedAt); dueMs += 1000 / rateAt(plan, dueMs)) {
        const slot = slotAt(slots, dueMs);
        slot.due += 1;
        const connection = free.pop();
        if (connection) ask(connection, startedAt + dueMs, slot);
        else waiting.push({ dueAt: startedAt + dueMs, slot });
      }
      if (dueMs < totalMs || connections.some(({ isBusy }) => isBusy)) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
  const { user, system } = process.cpuUsage(cpu);
  for (const connection of connections) connection.close();
  return { slots, lateMs, cpuSeconds: (user + system) / 1e6 };
}

function rateAt({ stages }: OpenLoadPlan, ms: number): number {
  let end = 0;
  for (const { perSecond, seconds } of stages) {
    end += seconds * 1000;
    if (ms < end) return perSecond;
  }
  return 1;
}

function slotAt(slots: Slot[], ms: number): Slot {
  const index = Math.floor(ms / SLOT_MS);
  while (slots.length <= index) {
    slots.push({
      due: 0,
      succeeded: 0,
      refused: 0,
      refusedWithRetryAfter: 0,
      other: 0,
      unanswered: 0,
      succeededMs: [],
      refusedMs: [],
    });
  }
  return slots[index] as Slot;
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
