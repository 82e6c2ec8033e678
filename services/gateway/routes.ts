import { z } from "zod";
import {
  type ActionEntry,
  type Contract,
  type HttpMethod,
  pathParameters,
  routesOf,
} from "../common/contract.ts";
import { jsonWriter } from "./exact-json.ts";

/** A route of the HTTP API, with everything about it that can be worked out before a request comes. */
export interface Route {
  readonly method: HttpMethod;
  /** As in the contract: `/v1/portfolios/{id}`. */
  readonly path: string;
  /** The same with colons, as routers and problem documents write it. */
  readonly pattern: string;
  /** `portfolios.get` */
  readonly action: string;
  readonly entry: ActionEntry;
  readonly status: number;
  /** Parameters that come from the path or a header: a body or query may not name them. */
  readonly reserved: ReadonlySet<string>;
  /** Where the other parameters come from. */
  readonly source: "body" | "query";
  /** Query parameters that are numbers. */
  readonly numeric: ReadonlySet<string>;
  /** The result is a page: over HTTP the bare array, and a Link header. */
  readonly isPage: boolean;
  /** Replies carry an ETag, made of the result's version. */
  readonly hasVersion: boolean;
  /** A GET whose reply has an ETag, and which If-None-Match is for; a stream is sent before its hash could be known. */
  readonly isConditional: boolean;
  /** Writes the result as JSON, of a page the list of its items. */
  readonly write: (result: unknown) => string;
}

/** The routes of all contracts, in the order in which the contracts state them. */
export function routesOfContracts(contracts: readonly Contract[]): Route[] {
  return contracts.flatMap((contract) =>
    Object.entries(contract.actions).flatMap(([action, entry]) =>
      routesOf(entry).map((route) => routeOf(route, `${contract.name}.${action}`, entry)),
    ),
  );
}

function routeOf(http: string, action: string, entry: ActionEntry): Route {
  const [method, path] = http.split(" ") as [HttpMethod, string];
  const { shape } = entry.params;
  const result: z.ZodRawShape = entry.result instanceof z.ZodObject ? entry.result.shape : {};
  const isPage = "items" in result && "next_cursor" in result;
  return {
    method,
    path,
    pattern: path.replaceAll(/\{(\w+)\}/g, ":$1"),
    action,
    entry,
    status: entry.status ?? 200,
    reserved: new Set([...pathParameters(path), ...(entry.ifMatch ? ["if_match"] : [])]),
    source: method === "GET" || method === "DELETE" ? "query" : "body",
    numeric: new Set(Object.keys(shape).filter((name) => isNumber(shape[name] as z.ZodType))),
    isPage,
    hasVersion: "version" in result,
    isConditional: method === "GET" && !entry.everyPage,
    write: jsonWriter(isPage ? (result.items as z.ZodType) : entry.result),
  };
}

function isNumber(schema: z.ZodType): boolean {
  return schema instanceof z.ZodOptional
    ? isNumber(schema.unwrap() as z.ZodType)
    : schema instanceof z.ZodNumber;
}
