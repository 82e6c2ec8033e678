import type { IncomingMessage, ServerResponse } from "node:http";
import ApiGateway from "moleculer-web";
import { type MemberError, problem } from "../common/problem.ts";
import type { Route } from "./routes.ts";

const MAX_BODY_BYTES = 64 * 1024;
const MAX_QUERY_PARAMETERS = 20;
const NUMBER = /^-?\d{1,15}$/;
/** RFC 9110 §8.8.3: a strong entity tag; ours hold a version. */
const ENTITY_TAG = /^"(\d{1,9})"$/;

const parseJson = ApiGateway.bodyParser.json({
  limit: MAX_BODY_BYTES,
  strict: false,
  type: () => true,
  reviver: (key: string, value: unknown) => {
    if (key === "__proto__") throw new SyntaxError("__proto__ is no member");
    return value;
  },
});

export interface Received {
  readonly pathParameters: Readonly<Record<string, string>>;
  readonly query: string;
}

/**
 * The action's parameters from path, query or body, and headers.
 * @throws VALIDATION_FAILED, MALFORMED_JSON, UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE, PRECONDITION_FAILED.
 */
export async function parametersOf(
  route: Route,
  request: IncomingMessage,
  response: ServerResponse,
  received: Received,
): Promise<Record<string, unknown>> {
  const sent =
    route.source === "query" ? queryOf(route, received.query) : await bodyOf(route, request, response);
  if (route.source === "body" && received.query)
    throw invalid(unknownMembers([...new URLSearchParams(received.query).keys()]));
  const foreign = Object.keys(sent).filter((name) => route.reserved.has(name));
  if (foreign.length > 0) throw invalid(unknownMembers(foreign));
  const version = route.entry.ifMatch ? versionOf(request.headers["if-match"]) : undefined;
  return { ...sent, ...received.pathParameters, ...(version !== undefined && { if_match: version }) };
}

function queryOf(route: Route, query: string): Record<string, unknown> {
  if (!query) return {};
  const members: Record<string, unknown> = Object.create(null);
  const parameters = [...new URLSearchParams(query)];
  if (parameters.length > MAX_QUERY_PARAMETERS)
    throw invalid([{ pointer: "", detail: "has too many parameters" }]);
  for (const [name, value] of parameters) {
    if (name in members) throw invalid([{ pointer: `/${name}`, detail: "must be given once" }]);
    members[name] = route.numeric.has(name) && NUMBER.test(value) ? Number(value) : value;
  }
  return { ...members };
}

async function bodyOf(
  route: Route,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Record<string, unknown>> {
  // Existing clients name the content type on every request: without a body it means nothing.
  const isEmpty = request.headers["content-length"] === "0" || !hasBody(request);
  if (isEmpty) {
    if (needsBody(route)) throw problem("MALFORMED_JSON", { detail: "A JSON body is required." });
    return {};
  }
  if (!isJson(request.headers["content-type"])) throw problem("UNSUPPORTED_MEDIA_TYPE");
  const body = await readJson(request, response);
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw invalid([{ pointer: "", detail: "must be a JSON object" }]);
  }
  return body as Record<string, unknown>;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
}

/** Whether any parameter that the body brings is required. */
function needsBody({ entry, reserved }: Route): boolean {
  return Object.entries(entry.params.shape).some(
    ([name, schema]) => !reserved.has(name) && !schema.safeParse(undefined).success,
  );
}

function isJson(contentType: string | undefined): boolean {
  return /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(contentType ?? "");
}

function readJson(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
  return new Promise((resolve, reject) => {
    parseJson(request, response, (error?: { type?: string }) => {
      if (error) reject(bodyProblem(error.type));
      else resolve((request as IncomingMessage & { body?: unknown }).body);
    });
  });
}

function bodyProblem(type: string | undefined): Error {
  switch (type) {
    case "entity.too.large":
      return problem("PAYLOAD_TOO_LARGE", { detail: `The body must have at most ${MAX_BODY_BYTES} bytes.` });
    case "encoding.unsupported":
    case "charset.unsupported":
      return problem("UNSUPPORTED_MEDIA_TYPE");
    default:
      return problem("MALFORMED_JSON");
  }
}

/** RFC 9110 §13.1.1: `*` asks only that it exists; a tag that is none of ours cannot match. */
function versionOf(header: string | undefined): number | undefined {
  if (header === undefined || header === "*") return undefined;
  const version = ENTITY_TAG.exec(header)?.[1];
  if (version === undefined || Number(version) < 1) throw problem("PRECONDITION_FAILED");
  return Number(version);
}

function unknownMembers(names: readonly string[]): MemberError[] {
  return names
    .slice(0, MAX_QUERY_PARAMETERS)
    .map((name) => ({ pointer: `/${name.slice(0, 100)}`, detail: "is not known here" }));
}

function invalid(errors: MemberError[]): Error {
  const detail = errors.map(({ pointer, detail }) => `${pointer || "The request"} ${detail}`).join("; ");
  return problem("VALIDATION_FAILED", { detail: `${detail}.`, errors });
}
