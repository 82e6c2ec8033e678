import { STATUS_CODES } from "node:http";
import { connect } from "node:net";
import { hostname } from "node:os";
import { expect } from "@jest/globals";
import type { ProblemCode } from "../../services/common/problem.ts";
import { type ProblemDocument, problemType } from "../../services/gateway/problem-response.ts";
import type { System } from "../support/system.ts";

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is; an object as JSON, with its content type. */
  readonly body?: string | Buffer | object;
}

export type Send = (
  subject: string | undefined,
  method: string,
  path: string,
  options?: SendOptions,
) => Promise<Response>;

type Reachable = Pick<System, "url" | "issuer">;

/** Sends requests of users, named by the subject of their token; without a token when it is undefined. */
export function senderTo(system: Reachable): Send {
  const tokens = new Map<string, Promise<string>>();
  return async (subject, method, path, { headers = {}, body } = {}) => {
    const sent = new Headers();
    if (subject !== undefined) {
      if (!tokens.has(subject)) tokens.set(subject, tokenOf(system, subject));
      sent.set("Authorization", `Bearer ${await tokens.get(subject)}`);
    }
    const isJson = typeof body === "object" && !Buffer.isBuffer(body);
    if (isJson) sent.set("Content-Type", "application/json");
    for (const [name, value] of Object.entries(headers)) sent.set(name, value);
    return fetch(system.url + path, {
      method,
      headers: sent,
      body: isJson ? JSON.stringify(body) : ((body as string | Buffer<ArrayBuffer> | undefined) ?? null),
      redirect: "manual",
    });
  };
}

/** With an e-mail address in it, which no problem may show. */
export function tokenOf({ issuer }: Reachable, subject: string): Promise<string> {
  return issuer.token(subject, { claims: { email: `${subject}@mail.example` } });
}

/** What no reply may tell: stacks, files, statements, processes, people. */
const INTERNALS = new RegExp(
  `\\.ts\\b|node_modules|node:internal|:\\d+:\\d+|\\b(select|insert|update|relation|sqlstate)\\b|${hostname()}[.-]\\d|@mail|eyJ`,
  "i",
);

/** Asserts that a reply is this problem, whole and in form; answers it. `pointers` are the members it names. */
export async function expectProblem(
  response: Response,
  code: ProblemCode,
  status: number,
  pointers?: readonly string[],
): Promise<ProblemDocument> {
  const text = await response.text();
  expect([response.status, response.statusText]).toEqual([status, STATUS_CODES[status]]);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = checkedProblem(text, code, status);
  expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(pointers);
  return problem;
}

/** The same for the text of a problem. */
export function checkedProblem(text: string, code: ProblemCode, status: number): ProblemDocument {
  const problem = JSON.parse(text) as ProblemDocument;
  expect(problem).toEqual({
    type: problemType(code),
    title: expect.stringMatching(/^.{3,}\.$/),
    status,
    detail: expect.stringMatching(/^.{3,}\.$/s),
    instance: expect.stringMatching(/^[/*]/),
    error: problem.detail,
    ...(problem.errors && { errors: problem.errors }),
  });
  for (const error of problem.errors ?? []) {
    expect(error).toEqual({ pointer: expect.any(String), detail: expect.stringMatching(/^.{3,}[^.]$/) });
  }
  expect(text).not.toMatch(INTERNALS);
  return problem;
}

/** A reply as it came over the wire. */
export interface RawReply {
  readonly status: number;
  readonly reason: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Exchange {
  readonly replies: readonly RawReply[];
  /** Whether the server closed the connection; otherwise the wait for it was given up. */
  readonly closed: boolean;
  readonly afterMs: number;
}

const PATIENCE_MS = 15_000;

/** Sends these bytes on a connection of their own, and reads until the server closes it. `drip` follows every 250 ms. */
export function exchange(url: string, bytes: string | Buffer, drip?: string): Promise<Exchange> {
  const { hostname: host, port } = new URL(url);
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host, port: Number(port), allowHalfOpen: true });
    const dripping = drip && setInterval(() => socket.write(drip), 250);
    const patience = setTimeout(() => done(false), PATIENCE_MS);
    function done(closed: boolean): void {
      clearInterval(dripping || undefined);
      clearTimeout(patience);
      socket.destroy();
      const replies = repliesIn(Buffer.concat(chunks).toString("latin1"));
      resolve({ replies, closed, afterMs: performance.now() - startedAt });
    }
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("end", () => done(true));
    socket.on("error", () => done(true));
    socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  });
}

function repliesIn(text: string): RawReply[] {
  const [, status, reason = "", head = "", rest = ""] =
    /^HTTP\/1\.1 (\d{3}) ([^\r]*)\r\n((?:[^\r]+\r\n)*)\r\n(.*)$/s.exec(text) ?? [];
  if (!status) return [];
  const headers = Object.fromEntries(
    head.split("\r\n", 100).map((line) => {
      const [name = "", ...value] = line.split(": ");
      return [name.toLowerCase(), value.join(": ")];
    }),
  );
  const length = Number(headers["content-length"] ?? 0);
  const reply = { status: Number(status), reason, headers, body: rest.slice(0, length) };
  return [reply, ...repliesIn(rest.slice(length))];
}
