import { nowMs } from "../clock.ts";
import type { Balancer } from "./balancer.ts";
import type { Client } from "./book.ts";
import { exchange, type Reply, type Request } from "./http-client.ts";
import type { Kind, Sample } from "./sample.ts";

export type Question = Omit<Request, "url" | "token">;

/** Sends a request of a client's to the next gateway, and notes what became of it. @returns the reply, if that is a success. */
export type Ask = (
  client: Client,
  kind: Kind,
  operation: string,
  question: Question,
  /** Says what is wrong with a success. */
  judge?: (reply: Reply) => string | undefined,
) => Promise<Reply | undefined>;

export function asking(balancer: Balancer, note: (sample: Sample) => void): Ask {
  return async (client, kind, operation, question, judge) => {
    const gateway = balancer.next();
    const sentAt = nowMs();
    const reply = await exchange({ ...question, url: gateway, token: client.token });
    const isOk = reply.status >= 200 && reply.status < 300;
    note({
      kind,
      operation,
      sentAt,
      tookMs: nowMs() - sentAt,
      status: reply.status,
      problem: isOk ? "" : problemOf(reply),
      requestId: isOk ? "" : reply.requestId,
      hasRetryAfter: reply.hasRetryAfter,
      gateway,
      wrong: isOk ? judge?.(reply) : undefined,
    });
    return isOk ? reply : undefined;
  };
}

function problemOf({ error, text }: Reply): string {
  if (error !== "") return error;
  const type = /"type":"\/problems\/([a-z0-9-]+)"/.exec(text)?.[1];
  return type ?? "no problem document";
}
