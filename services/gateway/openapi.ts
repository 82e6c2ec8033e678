import sampler from "openapi-sampler";
import { z } from "zod";
import {
  COMMON_PROBLEMS,
  IDEMPOTENCY_KEY_PROBLEMS,
  type ProblemCode,
  problemKinds,
} from "../common/problem.ts";
import { problemDocument, problemType } from "./problem-response.ts";
import type { Route } from "./routes.ts";

/** Version of the HTTP API. */
const API_VERSION = "1.0.0";

/** What the gateway itself may answer with, before any action is called. */
const GATEWAY_PROBLEMS: readonly ProblemCode[] = ["MALFORMED_REQUEST", "RATE_LIMITED"];
const BODY_PROBLEMS: readonly ProblemCode[] = [
  "MALFORMED_JSON",
  "PAYLOAD_TOO_LARGE",
  "UNSUPPORTED_MEDIA_TYPE",
];

/** The OpenAPI 3.1 document, made from the contracts. Every path is also served below `/api`. */
export function openApiDocument(routes: readonly Route[], publicUrl: string | undefined): object {
  const paths: Record<string, Record<string, object>> = {};
  const base = publicUrl?.replace(/\/+$/, "") ?? "";
  for (const route of routes) {
    paths[route.path] ??= {};
    (paths[route.path] as Record<string, object>)[route.method.toLowerCase()] = operationOf(route, routes);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Crypto Pocket Butler",
      version: API_VERSION,
      description: "Portfolios of crypto assets. Errors are problem documents (RFC 9457).",
    },
    servers: [{ url: base || "/" }, { url: `${base}/api` }],
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
      schemas: { Problem: problemSchema() },
    },
  };
}

function operationOf(route: Route, routes: readonly Route[]): object {
  const { entry, action, isConditional, source, status } = route;
  const position = routes.filter((other) => other.action === action).indexOf(route);
  const params = z.toJSONSchema(entry.params, { io: "input", target: "draft-2020-12" }) as JsonSchema;
  const own = Object.entries(params.properties ?? {}).filter(([name]) => !route.reserved.has(name));
  const required = (params.required ?? []).filter((name) => !route.reserved.has(name));
  const body =
    entry.bodyMember === undefined
      ? { type: "object", properties: Object.fromEntries(own), required, additionalProperties: false }
      : params.properties?.[entry.bodyMember];
  return {
    operationId: position === 0 ? action : `${action}.${position + 1}`,
    summary: entry.summary,
    tags: [action.split(".", 1)[0]],
    security: entry.scope === "public" ? [] : [{ bearer: [entry.scope] }],
    parameters: [
      ...parametersIn("path", route, params),
      ...(entry.ifMatch ? [ifMatchHeader] : []),
      ...(isConditional ? [ifNoneMatchHeader] : []),
      ...(route.method === "POST" ? [idempotencyKeyHeader] : []),
      ...(source === "query"
        ? own.map(([name, schema]) => ({ name, in: "query", required: false, schema }))
        : []),
    ],
    ...(source === "body" &&
      own.length > 0 && {
        requestBody: {
          required: required.length > 0,
          content: {
            [entry.form ? "application/x-www-form-urlencoded" : "application/json"]: withExample(body ?? {}),
          },
        },
      }),
    responses: {
      [String(status)]: successOf(route),
      ...(isConditional && { 304: notModified(route) }),
      ...problemsOf(route),
    },
  };
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, object>>;
  readonly required?: readonly string[];
}

const ifMatchHeader = {
  name: "If-Match",
  in: "header",
  required: false,
  description: "The ETag that the change is based on; 412 when it was changed in the meantime.",
  schema: { type: "string" },
};

const ifNoneMatchHeader = {
  name: "If-None-Match",
  in: "header",
  required: false,
  description:
    "ETags of replies that the client still has, or *; 304 without a body when the reply is one of them.",
  schema: { type: "string" },
};

const idempotencyKeyHeader = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description:
    "A random UUID or the like, quoted or not. Who repeats the request with it within 24 hours gets the first reply again, " +
    "and nothing is done twice; 422 when the request is another one, 409 while the first is still under way.",
  schema: {
    type: "string",
    minLength: 1,
    maxLength: 512,
    examples: ['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
  },
};

const rateLimitHeaders = {
  "RateLimit-Policy": {
    description: "The caller's limit: q requests in any w seconds. Every reply has it.",
    schema: { type: "string", examples: ['"user";q=6000;w=60'] },
  },
  RateLimit: {
    description: "r requests are left; this window ends in t seconds. Every reply has it.",
    schema: { type: "string", examples: ['"user";r=0;t=12'] },
  },
};

const retryAfterHeader = {
  "Retry-After": {
    description: "Seconds after which it may be tried again.",
    schema: { type: "integer", minimum: 1 },
  },
};

function notModified(route: Route): object {
  return { description: "The client has this reply already.", headers: { ETag: tagHeader(route) } };
}

function tagHeader({ hasVersion, entry }: Route): object {
  const description = !hasVersion
    ? "A hash of the reply."
    : `The resource's version${entry.variesByCaller ? ", and a hash of the reply" : ""}.`;
  return { description, schema: { type: "string" } };
}

function parametersIn(where: "path", route: Route, params: JsonSchema): object[] {
  return [...route.reserved]
    .filter((name) => route.path.includes(`{${name}}`))
    .map((name) => ({ name, in: where, required: true, schema: params.properties?.[name] ?? {} }));
}

function successOf(route: Route): object {
  const { entry, status, isPage, isConditional } = route;
  const hasTag = route.hasVersion || isConditional;
  if (status === 204) return { description: "Done." };
  const result = isPage ? (entry.result as z.ZodObject<{ items: z.ZodType }>).shape.items : entry.result;
  const { maxItems, ...schema } = z.toJSONSchema(result, { target: "draft-2020-12" });
  // All pages together are as long as they are.
  const isBounded = maxItems !== undefined && !entry.everyPage;
  return {
    description: "Success.",
    ...((isPage || hasTag || entry.location) && {
      headers: {
        ...(isPage && {
          Link: { description: "The next page, if there is one.", schema: { type: "string" } },
        }),
        ...(hasTag && { ETag: tagHeader(route) }),
        ...(entry.location && { Location: { description: "The new resource.", schema: { type: "string" } } }),
      },
    }),
    content: { "application/json": withExample(isBounded ? { ...schema, maxItems } : schema) },
  };
}

function withExample(schema: object): object {
  return { schema, examples: { typical: { value: sampler.sample(schema, { quiet: true }) } } };
}

/** The problems of a route, by status; one status may stand for several. */
function problemsOf({ entry, method, source, pattern }: Route): Record<string, object> {
  const codes = new Set<ProblemCode>([
    ...(entry.problems ?? []),
    ...COMMON_PROBLEMS,
    ...GATEWAY_PROBLEMS,
    ...(method === "POST" ? IDEMPOTENCY_KEY_PROBLEMS : []),
    // Where there is no version, for each If-Match.
    ...(method === "GET" ? [] : (["PRECONDITION_FAILED"] as const)),
    ...(source === "body" ? BODY_PROBLEMS : []),
  ]);
  const byStatus = Map.groupBy(codes, (code) => problemKinds[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, members]) => [
      String(status),
      {
        description: members.map((code) => problemKinds[code].title).join(" "),
        ...headersOf(members),
        content: {
          "application/problem+json": {
            schema: { $ref: "#/components/schemas/Problem" },
            examples: Object.fromEntries(members.map((code) => [code, { value: exampleOf(code, pattern) }])),
          },
        },
      },
    ]),
  );
}

function headersOf(codes: readonly ProblemCode[]): { headers?: object } {
  const isRateLimit = codes.includes("RATE_LIMITED");
  const mayComeAgain = isRateLimit || codes.some((code) => "retryAfterSeconds" in problemKinds[code]);
  return mayComeAgain ? { headers: { ...(isRateLimit && rateLimitHeaders), ...retryAfterHeader } } : {};
}

function exampleOf(code: ProblemCode, instance: string): object {
  const errors = code === "VALIDATION_FAILED" ? [{ pointer: "/name", detail: "is required" }] : undefined;
  return problemDocument(code, errors ? { detail: "/name is required.", errors } : {}, instance);
}

function problemSchema(): object {
  const text = { type: "string" };
  return {
    type: "object",
    required: ["type", "title", "status", "detail", "instance", "error"],
    properties: {
      type: { enum: (Object.keys(problemKinds) as ProblemCode[]).map(problemType) },
      title: text,
      status: { type: "integer" },
      detail: text,
      instance: text,
      error: { type: "string", description: "The detail again, for existing clients." },
      errors: {
        type: "array",
        items: {
          type: "object",
          required: ["pointer", "detail"],
          properties: { pointer: { type: "string", description: "JSON pointer (RFC 6901)." }, detail: text },
        },
      },
    },
  };
}
