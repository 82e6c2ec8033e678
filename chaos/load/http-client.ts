import { Agent, type IncomingMessage, request as send } from "node:http";

export interface Request {
  readonly url: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly token: string;
  readonly body?: object;
  readonly idempotencyKey?: string;
}

export interface Reply {
  /** 0 when there was none. */
  readonly status: number;
  readonly text: string;
  /** The error's code when there was no reply. */
  readonly error: string;
  readonly hasRetryAfter: boolean;
  readonly requestId: string;
  readonly link: string | undefined;
}

const MAX_SOCKETS = 2_000;
/** Below the gateway's own, so that it does not close a connection on which a request is just being sent. */
const IDLE_TIMEOUT_MS = 4_000;
/** A client that has waited for so long leaves. */
const CLIENT_TIMEOUT_MS = 10_000;

const agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, timeout: IDLE_TIMEOUT_MS });

/** Sends one request on a kept connection; never rejects. */
export function exchange({ url, method, path, token, body, idempotencyKey }: Request): Promise<Reply> {
  const content = body === undefined ? undefined : JSON.stringify(body);
  const headers = {
    Authorization: `Bearer ${token}`,
    ...(idempotencyKey !== undefined && { "Idempotency-Key": `"${idempotencyKey}"` }),
    ...(content !== undefined && {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(content),
    }),
  };
  return new Promise((resolve) => {
    const noReply = (error: string) =>
      resolve({ status: 0, text: "", error, hasRetryAfter: false, requestId: "", link: undefined });
    const request = send(url + path, { agent, method, headers });
    const timer = setTimeout(() => {
      noReply("client-timeout");
      request.destroy();
    }, CLIENT_TIMEOUT_MS);
    const fail = (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      noReply(error.code ?? error.message);
    };
    request.on("error", fail);
    request.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("error", fail);
      response.on("end", () => {
        clearTimeout(timer);
        resolve(replyOf(response, text));
      });
    });
    request.end(content);
  });
}

function replyOf({ statusCode, headers }: IncomingMessage, text: string): Reply {
  return {
    status: statusCode ?? 0,
    text,
    error: "",
    hasRetryAfter: headers["retry-after"] !== undefined,
    requestId: String(headers["x-request-id"] ?? ""),
    link: Array.isArray(headers.link) ? headers.link.join(", ") : headers.link,
  };
}
