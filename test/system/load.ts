import { randomUUID } from "node:crypto";
import { Agent, request as send } from "node:http";
import type { Replica } from "../support/system.ts";

/** A request that was sent, and what became of it. */
export interface Sent {
  readonly kind: "read" | "write";
  /** What a write calls its portfolio: no two are the same. */
  readonly name: string;
  readonly sentAt: number;
  readonly tookMs: number;
  /** 0 when there was no reply. */
  readonly status: number;
  /** What was answered to a request that failed. */
  readonly detail: string;
}

export interface Load {
  /** What has ended so far, in that order. */
  readonly sent: readonly Sent[];
  /** Sends no more, and waits for what is under way. */
  stop(): Promise<readonly Sent[]>;
}

export interface LoadOptions {
  /** Where requests go, in turn; asked anew for each. */
  readonly urls: () => readonly string[];
  readonly tokens: readonly string[];
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
}

/** Few enough for a machine that runs other tests at the same time. */
export const READS_PER_SECOND = Number(process.env.TEST_READS_PER_SECOND ?? 200);

const MAX_TOLD = 50;
const TICK_MS = 10;
const MAX_SOCKETS = 500;
/** Where the machine does not get done what is sent, no more is sent until it has: else nothing would ever be over. */
const MAX_UNDER_WAY = 200;
/** Below the gateway's own, so that it does not close a connection on which a request is just being sent. */
const IDLE_TIMEOUT_MS = 4_000;

/**
 * A constant load: requests are sent at their time, whether or not earlier ones have been answered, up to what a machine
 * can be expected to bear.
 */
export function startLoad({ urls, tokens, readsPerSecond, writesPerSecond }: LoadOptions): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, timeout: IDLE_TIMEOUT_MS });
  const sent: Sent[] = [];
  const underWay = new Set<Promise<void>>();
  const startedAt = performance.now();
  const begun = { read: 0, write: 0 };

  async function one(kind: Sent["kind"]): Promise<void> {
    const number = begun.read + begun.write;
    const choice = urls();
    const name = kind === "write" ? randomUUID() : "";
    const sentAt = performance.now();
    const token = tokens[number % tokens.length] as string;
    const url = choice[number % choice.length];
    const { status, text } = url
      ? await exchange(agent, url, token, name)
      : { status: 0, text: "there is nobody to send it to" };
    const tookMs = performance.now() - sentAt;
    sent.push({ kind, name, sentAt, tookMs, status, detail: status >= 200 && status < 300 ? "" : text });
  }

  function tick(): void {
    const seconds = (performance.now() - startedAt) / 1000;
    for (const [kind, rate] of [
      ["read", readsPerSecond],
      ["write", writesPerSecond],
    ] as const) {
      for (; begun[kind] < seconds * rate; begun[kind] += 1) {
        if (underWay.size >= MAX_UNDER_WAY) continue;
        const work = one(kind).finally(() => underWay.delete(work));
        underWay.add(work);
      }
    }
  }

  const timer = setInterval(tick, TICK_MS);
  return {
    sent,
    async stop() {
      clearInterval(timer);
      await Promise.all(underWay);
      agent.destroy();
      return sent;
    },
  };
}

export function failed({ status }: Sent): boolean {
  return status < 200 || status >= 300;
}

/** Failed requests as a person would want to read them, when there should be none. */
export function told(failures: readonly Sent[], sinceMs: number): string[] {
  return failures.map(
    ({ kind, sentAt, tookMs, status, detail }) =>
      `${kind} sent at ${Math.round(sentAt - sinceMs)} ms, ${status} after ${Math.round(tookMs)} ms: ${detail}`,
  );
}

/** Failures, if there are any, with what the processes noticed: that they stood still for seconds, say. */
export function explained(failures: readonly string[], replicas: readonly Replica[]): string[] {
  if (failures.length === 0) return [];
  const lines = replicas.flatMap((replica) => replica.output().split("\n"));
  const telling = lines.filter((line) => /stood still|NATS is (gone|back)|was lost|joined/.test(line));
  return [...failures.slice(0, MAX_TOLD), ...telling.slice(-MAX_TOLD)];
}

function exchange(agent: Agent, url: string, token: string, name: string) {
  return new Promise<{ status: number; text: string }>((resolve) => {
    const body = name === "" ? undefined : JSON.stringify({ name });
    const headers = {
      Authorization: `Bearer ${token}`,
      ...(body !== undefined && {
        "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(body),
      }),
    };
    const method = body === undefined ? "GET" : "POST";
    const fail = (error: Error) => resolve({ status: 0, text: String(error) });
    const request = send(`${url}/v1/portfolios`, { agent, method, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      response.on("error", fail);
    });
    request.on("error", fail);
    request.end(body);
  });
}
