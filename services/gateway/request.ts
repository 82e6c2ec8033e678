import type { IncomingMessage, ServerResponse } from "node:http";
import { type MemberError, problem } from "../common/problem.ts";
import { hasBody, readBody, readForm, readJson } from "./body.ts";
import { invalid } from "./refusal.ts";
import type { Route } from "./routes.ts";

const MAX_QUERY_PARAMETERS = 20;
const MAX_NAME_LENGTH = 100;
const NUMBER = /^-?\d{1,15}(\.\d{1,15})?$/;
/** RFC 9110 §8.8.3; a strong one of ours holds a version. */
const ENTITY_TAG = /^(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"$/;
/** What may follow tells how it was shown, which does not matter to who changes it. */
const VERSION = /^([1-9]\d{0,8})(?:\.[\w-]{1,50})?$/;

/** An address, taken apart. */
export interface Received {
  /** `/api` or nothing, and the path. */
  readonly prefix: string;
  readonly path: string;
  readonly query: string;
  /** What the path gives. */
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * The action's parameters from path, query or body, and headers.
 * @throws VALIDATION_FAILED, MALFORMED_JSON, MALFORMED_REQUEST, UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE,
 *   PRECONDITION_FAILED.
 */
export async function parametersOf(
  route: Route,
  request: IncomingMessage,
  response: ServerResponse,
  received: Received,
): Promise<Record<string, unknown>> {
  const query = queryOf(route, received.query);
  const sent = route.source === "query" ? query : await bodyOf(route, request, response);
  const foreign = Object.keys(sent).filter((name) => route.reserved.has(name));
  if (foreign.length > 0) throw invalid(...foreign.map(unknown));
  const version = route.method === "GET" ? undefined : versionOf(request.headers["if-match"], route);
  return { ...sent, ...received.parameters, ...(version !== undefined && { if_match: version }) };
}

/** Where parameters come from the body, the query may have none. */
function queryOf(route: Route, query: string): Record<string, unknown> {
  if (!query) return {};
  const members: Record<string, unknown> = Object.create(null);
  const parameters = [...new URLSearchParams(query)];
  if (parameters.length > MAX_QUERY_PARAMETERS) {
    throw invalid({ pointer: "", detail: `must have at most ${MAX_QUERY_PARAMETERS} query parameters` });
  }
  if (route.source === "body" && parameters.length > 0) {
    throw invalid(...parameters.map(([name]) => unknown(name)));
  }
  for (const [name, value] of parameters) {
    if (name in members) throw invalid({ pointer: pointerOf(name), detail: "must be given once" });
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
  const { bodyMember, form, unwrapsText } = route.entry;
  if (hasBody(request)) {
    if (bodyMember !== undefined) return { [bodyMember]: await readJson(request, response) };
    return form ? readForm(request, response) : readBody(request, response, { unwrapsText });
  }
  if (needsBody(route)) throw problem("MALFORMED_JSON", { detail: "A JSON body is required." });
  return {};
}

/** Whether any parameter that the body brings is required. */
function needsBody({ entry, reserved }: Route): boolean {
  return Object.entries(entry.params.shape).some(
    ([name, schema]) => !reserved.has(name) && !schema.safeParse(undefined).success,
  );
}

/**
 * RFC 9110 §13.1.1: `*` asks only that it exists; a weak tag, or one that is none of ours, cannot match. What has no version
 * is not changed either: its writer would believe that nobody else's change was lost.
 */
function versionOf(header: string | undefined, { entry }: Route): number | undefined {
  if (header === undefined || header === "*") return undefined;
  const [tag, weak, version = ""] = ENTITY_TAG.exec(header) ?? [];
  if (tag === undefined) {
    throw problem("MALFORMED_REQUEST", {
      detail: 'If-Match must be one ETag as it was received, with its quotes, for example "1".',
    });
  }
  if (!entry.ifMatch) {
    throw problem("PRECONDITION_FAILED", {
      detail: "There is no version of this that If-Match could ask for.",
    });
  }
  const [, number] = VERSION.exec(version) ?? [];
  if (weak || number === undefined) throw problem("PRECONDITION_FAILED");
  return Number(number);
}

function unknown(name: string): MemberError {
  return { pointer: pointerOf(name), detail: "is not known here" };
}

/** RFC 6901. */
function pointerOf(name: string): string {
  return `/${name.slice(0, MAX_NAME_LENGTH).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
