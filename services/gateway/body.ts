import { isUtf8 } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import ApiGateway from "moleculer-web";
import { problem } from "../common/problem.ts";
import { invalid } from "./refusal.ts";

const MAX_BODY_BYTES = 64 * 1024;
const MAX_DEPTH = 32;

const parseJson = ApiGateway.bodyParser.json({
  limit: MAX_BODY_BYTES,
  // A few bytes may unpack to gigabytes; so small a body needs no compression.
  inflate: false,
  strict: false,
  type: () => true,
  verify: (_request: IncomingMessage, _response: ServerResponse, body: Buffer) => {
    if (!isUtf8(body)) throw new Error("not UTF-8");
  },
});

const parseForm = ApiGateway.bodyParser.urlencoded({
  limit: MAX_BODY_BYTES,
  inflate: false,
  extended: false,
  parameterLimit: 20,
  type: () => true,
});

/** Whether the request has a body, be it empty. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers["content-length"];
  return length === undefined ? headers["transfer-encoding"] !== undefined : length !== "0";
}

/**
 * The JSON object that is the request's body.
 * @param options.unwrapsText the object may come as a text, which is JSON again.
 * @throws VALIDATION_FAILED, MALFORMED_JSON, MALFORMED_REQUEST, UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE.
 */
export async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  { unwrapsText = false }: { readonly unwrapsText?: boolean | undefined } = {},
): Promise<Record<string, unknown>> {
  const read = await readJson(request, response);
  const body = unwrapsText && typeof read === "string" ? unwrapped(read) : read;
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw invalid({ pointer: "", detail: "must be a JSON object" });
  }
  return body as Record<string, unknown>;
}

/**
 * The JSON value, of whatever type, that is the request's body.
 * @throws VALIDATION_FAILED, MALFORMED_JSON, MALFORMED_REQUEST, UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE.
 */
export async function readJson(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
  if (!isJson(request.headers["content-type"])) throw problem("UNSUPPORTED_MEDIA_TYPE");
  checkFraming(request);
  return shallow(await parse(parseJson, request, response));
}

function unwrapped(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw problem("MALFORMED_JSON");
  }
  return shallow(value);
}

function shallow(body: unknown): unknown {
  if (isDeeperThan(MAX_DEPTH, body)) {
    throw invalid({ pointer: "", detail: `must not be nested deeper than ${MAX_DEPTH} levels` });
  }
  return body;
}

/**
 * The members of the HTML form that is the request's body.
 * @throws MALFORMED_REQUEST, UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE.
 */
export async function readForm(
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Record<string, unknown>> {
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(request.headers["content-type"] ?? "")) {
    throw problem("UNSUPPORTED_MEDIA_TYPE", {
      detail: "The body must be application/x-www-form-urlencoded.",
    });
  }
  checkFraming(request);
  return { ...((await parse(parseForm, request, response)) as Record<string, unknown>) };
}

function checkFraming({ headers }: IncomingMessage): void {
  // RFC 9112 §7: no transfer coding but chunked is offered.
  if (!/^(chunked)?$/i.test(headers["transfer-encoding"] ?? "")) throw problem("MALFORMED_REQUEST");
  // The parser would tell only after it has read it all.
  if (Number(headers["content-length"]) > MAX_BODY_BYTES) throw bodyProblem("entity.too.large");
}

function isJson(contentType: string | undefined): boolean {
  return /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(contentType ?? "");
}

function parse(
  parser: typeof parseJson,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    parser(request, response, (error?: { type?: string }) => {
      if (error) reject(bodyProblem(error.type));
      else resolve((request as IncomingMessage & { body?: unknown }).body);
    });
  });
}

function bodyProblem(type: string | undefined): Error {
  switch (type) {
    case "entity.too.large":
      return problem("PAYLOAD_TOO_LARGE", { detail: `The body must have at most ${MAX_BODY_BYTES} bytes.` });
    case "entity.verify.failed":
      return problem("MALFORMED_JSON", { detail: "The body must be UTF-8." });
    case "encoding.unsupported":
      return problem("UNSUPPORTED_MEDIA_TYPE", { detail: "The body must not be compressed." });
    default:
      return problem("MALFORMED_JSON");
  }
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isDeeperThan(levels - 1, member));
}
