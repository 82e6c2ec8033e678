import { z } from "zod";
import type { Scope } from "./principal.ts";
import type { ProblemCode } from "./problem.ts";
import { Time, Uuid } from "./values.ts";

export type HttpMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** `GET /v1/portfolios/{id}`: each name in braces is a parameter of the action. */
export type HttpRoute = `${HttpMethod} /${string}`;

/** What an action is made of. */
export type ActionEntry = EntryMembers & (UserAccess | PublicAccess | InternalAccess);

/** Signed-in users' requests reach it, by a route or by a service that passes them on. */
interface UserAccess {
  /** What the caller's token must allow. */
  readonly scope: Scope;
  /** The first route is the canonical one; the others are aliases. Without a route nothing outside reaches it. */
  readonly http?: HttpRoute | readonly HttpRoute[];
  readonly hears?: never;
}

/** Anyone, without a token: what is sent must prove itself. */
interface PublicAccess {
  readonly scope: "public";
  readonly http: HttpRoute;
  readonly hears?: never;
}

/** Other services only, for themselves, and never over HTTP. */
interface InternalAccess {
  readonly scope: "internal";
  readonly http?: never;
  /** The event that it is called with, once it has happened: see `hears`. */
  readonly hears?: string;
}

interface EntryMembers {
  /** One sentence, for the OpenAPI document. */
  readonly summary: string;
  /** Status of success over HTTP; 200 unless stated. 204 goes with a null result. */
  readonly status?: 200 | 201 | 202 | 204;
  /** The Location header of a 201; names in braces are members of the result. */
  readonly location?: `/${string}`;
  /** The If-Match header may be sent; it arrives as the parameter `if_match`, a version. */
  readonly ifMatch?: boolean;
  /** The result depends on who asks, not only on its version: its ETag tells both. */
  readonly variesByCaller?: boolean;
  /** The body is an HTML form's (`application/x-www-form-urlencoded`), as a specification demands. */
  readonly form?: boolean;
  /** Over HTTP, the body may be a JSON text that holds the object, as some clients encode theirs twice. */
  readonly unwrapsText?: boolean;
  /** The whole body, an array for instance, is this parameter; without it, the body is an object with the parameters. */
  readonly bodyMember?: string;
  /**
   * It may be called again when it is not known whether it was executed: called twice, it has the effect of once. What is
   * read over HTTP (GET) always may.
   */
  readonly repeatable?: boolean;
  /** Over HTTP, all pages of the result are answered at once, as one array. */
  readonly everyPage?: boolean;
  /** The result is shown once and kept nowhere: what an Idempotency-Key has stored of it is sealed with the key. */
  readonly secretResult?: boolean;
  /** It takes several steps that belong together: once begun, they are done, also when the client leaves meanwhile. */
  readonly outlivesClient?: boolean;
  /** Strict: unknown members are refused, at the gateway and again in the service. */
  readonly params: z.ZodObject;
  readonly result: z.ZodType;
  /** What the action itself may answer with, beside what any action may (validation, access, unavailability). */
  readonly problems?: readonly ProblemCode[];
}

export type ActionEntries = Readonly<Record<string, ActionEntry>>;

/** What a service tells of itself, `service.past_tense`, each with what it carries. */
export type EventEntries<Name extends string = string> = Readonly<Record<`${Name}.${string}`, z.ZodObject>>;
type NoEvents = Readonly<Record<never, never>>;
/** What makes an error of each event whose name does not begin with the service's. */
type NamedBy<Name extends string, Events> = {
  readonly [Event in keyof Events]: Event extends `${Name}.${string}` ? unknown : never;
};

/** A service's public face: its actions, and the events that it tells, under its name. */
export interface Contract<
  Name extends string = string,
  Actions extends ActionEntries = ActionEntries,
  Events extends EventEntries = EventEntries,
> {
  readonly name: Name;
  readonly actions: Actions;
  readonly events?: Events;
}

/**
 * States a service's contract. From each entry come the validation, the types of handler and callers, the gateway's
 * route, the OpenAPI document and the list of problems it may answer with.
 * @throws when an entry contradicts itself: the contract is wrong, so nothing should start.
 */
export function contract<
  const Name extends string,
  const Actions extends ActionEntries,
  const Events extends EventEntries = NoEvents,
>(
  name: Name,
  actions: Actions,
  { events }: { readonly events?: Events & NamedBy<Name, Events> } = {},
): Contract<Name, Actions, Events> {
  for (const [action, entry] of Object.entries(actions)) {
    const fault = faultOf(entry);
    if (fault) throw new Error(`Contract ${name}.${action}: ${fault}`);
  }
  for (const event of Object.keys(events ?? {})) {
    if (new RegExp(`^${name}\\.[a-z]+(_[a-z]+)*$`).test(event)) continue;
    throw new Error(`Contract ${name}, event ${event}: its name must be ${name}.past_tense`);
  }
  return { name, actions, ...(events && { events }) };
}

/**
 * The entry of an action that is called with each event of a kind, at least once and in order per aggregate, until it
 * succeeds or is set aside; `hearing` of `events.ts` makes its handler. Members that a newer teller adds to what the
 * event carries are left out.
 */
export function hears<const C extends Contract, const Event extends EventName<C>>(
  teller: C,
  event: Event,
  summary: string,
) {
  const { shape } = (teller.events as Record<Event, z.ZodObject>)[event];
  const payload = z.object(shape) as PayloadSchema<C, Event>;
  return {
    summary,
    scope: "internal",
    hears: event,
    params: z.strictObject({
      event_id: Uuid,
      event: z.literal(event),
      aggregate_id: z.string(),
      occurred_at: Time,
      sequence: z.int(),
      payload,
    }),
    result: z.null(),
  } as const;
}

/** The routes of an entry, the canonical one first. */
export function routesOf(entry: ActionEntry): readonly HttpRoute[] {
  if (entry.http === undefined) return [];
  return typeof entry.http === "string" ? [entry.http] : entry.http;
}

/** Whether an action may be called again when it is not known whether it was executed. */
export function isRepeatable(entry: ActionEntry): boolean {
  const routes = routesOf(entry);
  return entry.repeatable ?? (routes.length > 0 && routes.every((route) => route.startsWith("GET ")));
}

/** The names in braces of a path, in order. */
export function pathParameters(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string);
}

function faultOf(entry: ActionEntry): string | undefined {
  const members = Object.keys(entry.params.shape);
  const routes = routesOf(entry);
  if (entry.params.def.catchall?._zod.def.type !== "never") return "params must be a strictObject";
  if (entry.scope === "internal" && routes.length > 0) return "an internal action has no route";
  for (const route of routes) {
    const missing = pathParameters(route).find((name) => !members.includes(name));
    if (missing) return `route ${route} names ${missing}, which is no parameter`;
  }
  if (entry.ifMatch && !members.includes("if_match")) return "ifMatch needs the parameter if_match";
  if (entry.bodyMember !== undefined && !members.includes(entry.bodyMember)) {
    return `bodyMember names ${entry.bodyMember}, which is no parameter`;
  }
  if (entry.status === 201 && !entry.location) return "a 201 needs a location";
  return undefined;
}

/** `portfolios.list`, … : the full names of a contract's actions. */
export type ActionName<C extends Contract> = C extends Contract
  ? `${C["name"]}.${keyof C["actions"] & string}`
  : never;

type EntryOf<C extends Contract, Name extends string> = C extends Contract
  ? Name extends `${C["name"]}.${infer Action extends keyof C["actions"] & string}`
    ? C["actions"][Action]
    : never
  : never;

/** The parameters that a caller of the action gives. */
export type ParamsOf<C extends Contract, Name extends ActionName<C>> = z.input<EntryOf<C, Name>["params"]>;
/** What the action answers. */
export type ResultOf<C extends Contract, Name extends ActionName<C>> = z.output<EntryOf<C, Name>["result"]>;

/** Calls an action of one of the contracts, with its parameters and its result typed. */
export type Call<C extends Contract> = <Name extends ActionName<C>>(
  action: Name,
  params: ParamsOf<C, Name>,
) => Promise<ResultOf<C, Name>>;

/** `accounts.deleted`, …: the names of a contract's events. */
export type EventName<C extends Contract> = C extends Contract
  ? keyof NonNullable<C["events"]> & string
  : never;

type PayloadSchema<C extends Contract, Name extends string> =
  NonNullable<C["events"]> extends Readonly<Record<Name, infer Schema extends z.ZodObject>> ? Schema : never;

/** What an event carries, as its teller gives it. */
export type PayloadOf<C extends Contract, Name extends EventName<C>> = z.input<PayloadSchema<C, Name>>;

/** An event on its way to who hears it. */
export interface Envelope<Payload extends object = object> {
  /** The same however often it comes: who acts on it notes it. */
  readonly event_id: string;
  readonly event: string;
  /** What it happened to; events of one aggregate come in their order. */
  readonly aggregate_id: string;
  readonly occurred_at: string;
  /** Grows with each event of an aggregate; not by one. */
  readonly sequence: number;
  readonly payload: Payload;
}
