import { describe, expect, it } from "@jest/globals";
import { Validator } from "@seriousme/openapi-schema-validator";
import { z } from "zod";
import { problemKinds } from "../../services/common/problem.ts";
import { contracts } from "../../services/gateway/contracts.ts";
import { openApiDocument } from "../../services/gateway/openapi.ts";
import { problemDocument, problemType } from "../../services/gateway/problem-response.ts";
import { routesOfContracts } from "../../services/gateway/routes.ts";
import { Portfolio } from "../../services/portfolios/contract/portfolio.ts";
import { type OpenApiDocument, replyCheck } from "../support/openapi.ts";

const routes = routesOfContracts(contracts);
const document = JSON.parse(JSON.stringify(openApiDocument(routes, undefined)));

const { faultsOf } = replyCheck(document as OpenApiDocument);

interface Operation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly operation: {
    readonly operationId: string;
    readonly summary: string;
    readonly tags: readonly string[];
    /** Empty where no token is needed. */
    readonly security?: readonly object[];
    readonly parameters: readonly { name: string; in: string; required: boolean; schema: object }[];
    readonly requestBody?: { readonly required: boolean; readonly content: Content };
    readonly responses: Readonly<
      Record<string, { readonly description: string; readonly headers?: object; readonly content?: Content }>
    >;
  };
}

type Content = Readonly<Record<string, { schema: object; examples?: Record<string, { value: unknown }> }>>;

const operations: Operation[] = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item as Record<string, Operation["operation"]>).map(([method, operation]) => ({
    id: `${method.toUpperCase()} ${path}`,
    method,
    path,
    operation,
  })),
);

/** Every object in a JSON value, with its pointer. */
function* objectsIn(value: unknown, pointer = "#"): Generator<[string, Readonly<Record<string, unknown>>]> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield [pointer, value as Record<string, unknown>];
  for (const [name, member] of Object.entries(value)) yield* objectsIn(member, `${pointer}/${name}`);
}

function resolve(reference: string): unknown {
  const steps = reference.slice("#/".length).split("/");
  return steps.reduce<unknown>(
    (value, step) => (value as Record<string, unknown> | undefined)?.[step],
    document,
  );
}

describe("the OpenAPI document", () => {
  it("is valid by the specification's own schema", async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document));
    expect({ valid, errors }).toMatchObject({ valid: true });
  });

  it("says what it is", () => {
    expect(document.openapi).toBe("3.1.0");
    expect(document.info).toMatchObject({
      title: expect.any(String),
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    });
    expect(document.servers).toEqual([{ url: "/" }, { url: "/api" }]);
    const known = ["openapi", "info", "servers", "security", "paths", "components"];
    expect(Object.keys(document).filter((name) => !known.includes(name))).toEqual([]);
  });

  it.each(["https://api.example", "https://api.example/", "https://api.example/butler"])(
    "names the public address first: %s",
    (publicUrl) => {
      const base = publicUrl.replace(/\/$/, "");
      expect(openApiDocument(routes, publicUrl)).toMatchObject({
        servers: [{ url: base }, { url: `${base}/api` }],
      });
    },
  );

  it("has every route of the contracts, and nothing else", () => {
    const stated = contracts.flatMap(({ actions }) =>
      Object.values(actions).flatMap((entry) => ("http" in entry ? [entry.http].flat() : [])),
    );
    expect(stated.length).toBeGreaterThanOrEqual(8);
    expect(operations.map(({ id }) => id).sort()).toEqual([...stated].sort());
  });

  it("gives each operation an id of its own that generators can use", () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z]\w*(\.\w+)+$/i);
  });

  it("resolves every $ref, and uses each component", () => {
    const references = [...objectsIn(document)].flatMap(([, { $ref }]) => ($ref === undefined ? [] : [$ref]));
    for (const reference of references) expect(resolve(reference as string)).toBeDefined();
    for (const name of Object.keys(document.components.schemas)) {
      expect(references).toContain(`#/components/schemas/${name}`);
    }
    for (const [name] of Object.entries(document.security[0])) {
      expect(document.components.securitySchemes).toHaveProperty(name);
    }
  });

  it("uses no keyword that OpenAPI 3.1 dropped", () => {
    for (const [pointer, object] of objectsIn(document.paths)) {
      expect([pointer, Object.keys(object).filter((name) => ["nullable", "example"].includes(name))]).toEqual(
        [pointer, []],
      );
      for (const limit of ["exclusiveMinimum", "exclusiveMaximum"]) {
        if (limit in object) expect([pointer, typeof object[limit]]).toEqual([pointer, "number"]);
      }
    }
  });
});

describe.each(operations)("$id in the OpenAPI document", ({ method, path, operation }) => {
  it("declares exactly the parameters of its path, all required", () => {
    const inPath = operation.parameters.filter((parameter) => parameter.in === "path");
    expect(inPath.map(({ name }) => `{${name}}`)).toEqual(
      [...path.matchAll(/\{\w+\}/g)].map(([name]) => name),
    );
    expect(inPath.every(({ required, schema }) => required && "type" in schema)).toBe(true);
    const keys = operation.parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
    expect(new Set(keys).size).toBe(keys.length);
    for (const parameter of operation.parameters) {
      expect(["path", "query", "header"]).toContain(parameter.in);
      expect(["Accept", "Content-Type", "Authorization"]).not.toContain(parameter.name);
    }
  });

  it("has a body only where one may be sent, and then a closed one", () => {
    if (method === "get" || method === "delete") expect(operation.requestBody).toBeUndefined();
    const schema = operation.requestBody?.content["application/json"]?.schema;
    // A body that is a list has closed members.
    const closed = (schema as { items?: object } | undefined)?.items ?? schema;
    if (closed) expect(closed).toMatchObject({ type: "object", additionalProperties: false });
  });

  it("has examples of what it takes and answers that are what its schemas say", () => {
    const success = Object.entries(operation.responses).find(([status]) => status < "300")?.[1];
    for (const content of [operation.requestBody?.content, success?.content]) {
      for (const { schema, examples } of Object.values(content ?? {})) {
        expect(Object.keys(examples ?? {})).not.toHaveLength(0);
        for (const { value } of Object.values(examples ?? {})) {
          expect(faultsOf(schema, value)).toBeUndefined();
        }
      }
    }
  });

  it("describes success and every problem, each with an example that is one", () => {
    const { responses } = operation;
    expect(Object.keys(responses).filter((status) => status < "300")).toHaveLength(1);
    const forUsers = operation.security?.length === 0 ? [] : ["401", "403"];
    expect(Object.keys(responses)).toEqual(expect.arrayContaining([...forUsers, "400", "503"]));
    for (const [status, { description, content }] of Object.entries(responses)) {
      expect(status).toMatch(/^[1-5]\d\d$/);
      expect(description.length).toBeGreaterThan(2);
      if (status < "400") continue;
      const problem = content?.["application/problem+json"];
      const examples = Object.entries(problem?.examples ?? {});
      expect(examples.length).toBeGreaterThan(0);
      for (const [code, { value }] of examples) {
        expect(value).toMatchObject({ status: Number(status), type: problemType(code as never) });
        expect(Object.keys(value as object)).toEqual(
          expect.arrayContaining(document.components.schemas.Problem.required),
        );
      }
    }
  });

  it("tells in which ways the system itself may be unable, and after how long to come again", () => {
    const { responses } = operation;
    const codes = Object.keys(responses["503"]?.content?.["application/problem+json"]?.examples ?? {});
    expect(codes).toEqual(
      expect.arrayContaining([
        "OVERLOADED",
        "POOL_EXHAUSTED",
        "DATABASE_UNAVAILABLE",
        "SERVICE_UNAVAILABLE",
        "ISSUER_UNAVAILABLE",
        "DEADLINE_EXCEEDED",
      ]),
    );
    for (const status of ["429", "503", ...(method === "post" ? ["409"] : [])]) {
      expect([status, responses[status]?.headers]).toEqual([
        status,
        expect.objectContaining({ "Retry-After": expect.anything() }),
      ]);
    }
    for (const status of ["400", "401", "403"]) expect(responses[status]?.headers).toBeUndefined();
  });
});

describe("the schemas of the OpenAPI document", () => {
  /** A schema of the document as a check of values. */
  function checkOf(reply: Operation | undefined, status: string) {
    const schema = reply?.operation.responses[status]?.content?.["application/json"]?.schema;
    return z.fromJSONSchema(schema as never);
  }
  const find = (id: string) => operations.find((candidate) => candidate.id === id);
  const portfolio = {
    id: "0196a000-0000-7000-8000-000000000001",
    user_id: "0196a000-0000-7000-8000-000000000002",
    name: "Main",
    is_default: true,
    target_allocation: { BTC: 60, ETH: 40 },
    created_at: "2026-01-31T09:30:00.123Z",
    updated_at: "2026-01-31T09:30:00.123Z",
    version: 1,
  };

  it("take what the contracts take", () => {
    expect(Portfolio.parse(portfolio)).toEqual(portfolio);
    expect(checkOf(find("POST /v1/portfolios"), "201").parse(portfolio)).toEqual(portfolio);
    expect(checkOf(find("GET /v1/portfolios/{id}"), "200").parse(portfolio)).toEqual(portfolio);
    expect(checkOf(find("GET /v1/portfolios"), "200").parse([portfolio])).toEqual([portfolio]);
  });

  it.each([{ version: 0 }, { name: 5 }, { created_at: "yesterday" }, { is_default: "yes" }, { secret: 1 }])(
    "refuse what the contracts refuse: %j",
    (change) => {
      const changed = { ...portfolio, ...change };
      expect(Portfolio.safeParse(changed).success).toBe(false);
      expect(checkOf(find("GET /v1/portfolios/{id}"), "200").safeParse(changed).success).toBe(false);
    },
  );

  it("know every problem", () => {
    const { Problem } = document.components.schemas;
    const check = z.fromJSONSchema(Problem);
    for (const code of Object.keys(problemKinds) as (keyof typeof problemKinds)[]) {
      const example = problemDocument(
        code,
        { errors: [{ pointer: "/name", detail: "is required" }] },
        "/v1/portfolios",
      );
      expect(check.parse(example)).toEqual(example);
    }
  });
});
