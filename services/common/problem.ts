import { Errors } from "moleculer";

/** How a problem of one kind is answered. `retryAfterSeconds` becomes the Retry-After header. */
interface ProblemKind {
  readonly status: number;
  readonly title: string;
  readonly retryAfterSeconds?: number;
}

/**
 * The closed table of everything that this system answers as a problem (RFC 9457).
 * The code crosses NATS as the error's `type`; the gateway makes `/problems/<code in kebab case>` of it.
 */
export const problemKinds = {
  MALFORMED_REQUEST: { status: 400, title: "The request is malformed." },
  MALFORMED_JSON: { status: 400, title: "The body is not valid JSON." },
  VALIDATION_FAILED: { status: 400, title: "The request has members that are not valid." },
  INVALID_LOGOUT_TOKEN: { status: 400, title: "The logout token is not valid." },
  ACCOUNT_ALREADY_LINKED: { status: 400, title: "The account is linked to the portfolio already." },
  UNAUTHENTICATED: { status: 401, title: "A valid access token is required." },
  FORBIDDEN: { status: 403, title: "The access token does not allow this." },
  ROUTE_NOT_FOUND: { status: 404, title: "There is nothing at this address." },
  USER_NOT_FOUND: { status: 404, title: "There is no such user." },
  TOKEN_NOT_FOUND: { status: 404, title: "There is no such personal access token." },
  PORTFOLIO_NOT_FOUND: { status: 404, title: "There is no such portfolio." },
  ACCOUNT_NOT_LINKED: { status: 404, title: "No such account is linked to the portfolio." },
  ALLOCATION_NOT_FOUND: { status: 404, title: "The portfolio has not been constructed yet." },
  SNAPSHOT_NOT_FOUND: { status: 404, title: "There is no snapshot of the portfolio yet." },
  RECOMMENDATION_NOT_FOUND: { status: 404, title: "There is no such recommendation." },
  CHAIN_NOT_FOUND: { status: 404, title: "There is no such chain." },
  REGISTERED_TOKEN_NOT_FOUND: { status: 404, title: "There is no such token in the registry." },
  ASSET_NOT_FOUND: { status: 404, title: "There is no such asset." },
  ACCOUNT_NOT_FOUND: { status: 404, title: "There is no such account." },
  JOB_NOT_FOUND: { status: 404, title: "There is no such job." },
  METHOD_NOT_ALLOWED: { status: 405, title: "This address does not offer that method." },
  REQUEST_TIMEOUT: { status: 408, title: "The request took too long to arrive." },
  TOO_MANY_TOKENS: { status: 409, title: "There are as many personal access tokens as one user may have." },
  ALREADY_REGISTERED: { status: 409, title: "It is in the registry already." },
  ACCOUNT_DUPLICATE: { status: 409, title: "Another account has this address or key already." },
  ACCOUNT_NOT_MANUAL: { status: 409, title: "What is in this account is not set by hand." },
  ACCOUNT_NOT_SYNCABLE: { status: 409, title: "This account cannot be synced as it is." },
  TOO_MANY_ACCOUNTS: { status: 409, title: "There are as many accounts as one user may have." },
  TOO_MANY_LINKED_ACCOUNTS: {
    status: 409,
    title: "There are as many accounts linked as one portfolio may have.",
  },
  RECOMMENDATION_STATE: { status: 409, title: "The recommendation is in a state that does not allow this." },
  TOO_MANY_RECOMMENDATIONS: {
    status: 409,
    title: "There are as many open recommendations as one portfolio may have.",
  },
  IDEMPOTENCY_KEY_IN_USE: {
    status: 409,
    title: "A request with this Idempotency-Key is still under way.",
    retryAfterSeconds: 1,
  },
  PRECONDITION_FAILED: { status: 412, title: "It was changed in the meantime." },
  PAYLOAD_TOO_LARGE: { status: 413, title: "The body is too large." },
  URI_TOO_LONG: { status: 414, title: "The address is too long." },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: "The body must be application/json." },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: "This Idempotency-Key was used for another request." },
  TOKEN_EXPIRY_OUT_OF_RANGE: { status: 422, title: "A token must end in the future, and within a year." },
  TARGET_ALLOCATION_NOT_100: { status: 422, title: "The target allocation does not sum up to 100 percent." },
  PORTFOLIO_TOO_LARGE: { status: 422, title: "The portfolio holds more than one reply takes." },
  SNAPSHOT_DATE_NOT_TODAY: { status: 422, title: "A snapshot can only be taken of today." },
  SNAPSHOT_DATES_REVERSED: { status: 422, title: "The first day is after the last one." },
  TOO_MANY_PORTFOLIOS: { status: 422, title: "There are more portfolios than one request takes." },
  TARGETS_MISSING: { status: 422, title: "The portfolio has no target allocation." },
  RECOMMENDATION_NOT_POSSIBLE: { status: 422, title: "No recommendation can be worked out." },
  UNKNOWN_CHAIN: { status: 422, title: "The chain is not in the registry." },
  ACCOUNT_MEMBERS_DISAGREE: { status: 422, title: "The members do not go together in one account." },
  ACCOUNT_MEMBER_UNCHANGEABLE: { status: 422, title: "This member of an account cannot be changed." },
  NO_ACTIVE_CHAIN: { status: 422, title: "None of the chains is active." },
  HOLDING_AMOUNTS_DISAGREE: { status: 422, title: "The amounts of a holding contradict each other." },
  /** Retry-After comes with the caller's own standing. */
  RATE_LIMITED: { status: 429, title: "Too many requests in too short a time." },
  HEADERS_TOO_LARGE: { status: 431, title: "The request headers are too large." },
  INTERNAL_ERROR: { status: 500, title: "Something went wrong on our side." },
  OVERLOADED: { status: 503, title: "There is too much to do just now.", retryAfterSeconds: 1 },
  POOL_EXHAUSTED: { status: 503, title: "All database connections are busy.", retryAfterSeconds: 1 },
  DATABASE_UNAVAILABLE: { status: 503, title: "The database cannot be reached.", retryAfterSeconds: 2 },
  SERVICE_UNAVAILABLE: {
    status: 503,
    title: "A part of the system cannot be reached.",
    retryAfterSeconds: 2,
  },
  PROVIDER_UNAVAILABLE: {
    status: 503,
    title: "None of the providers of prices can be reached.",
    retryAfterSeconds: 60,
  },
  ISSUER_UNAVAILABLE: { status: 503, title: "The token issuer cannot be reached.", retryAfterSeconds: 5 },
  DEADLINE_EXCEEDED: { status: 503, title: "The request took too long.", retryAfterSeconds: 1 },
  /** Between processes only: whoever it would be told has left. */
  REQUEST_ABANDONED: { status: 503, title: "The client has left.", retryAfterSeconds: 1 },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof problemKinds;

/** What any action may answer with, whatever its contract declares. */
export const COMMON_PROBLEMS = [
  "VALIDATION_FAILED",
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "OVERLOADED",
  "POOL_EXHAUSTED",
  "DATABASE_UNAVAILABLE",
  "SERVICE_UNAVAILABLE",
  "ISSUER_UNAVAILABLE",
  "DEADLINE_EXCEEDED",
] as const satisfies readonly ProblemCode[];

/** And where the request has an Idempotency-Key. */
export const IDEMPOTENCY_KEY_PROBLEMS = [
  "IDEMPOTENCY_KEY_IN_USE",
  "IDEMPOTENCY_KEY_REUSED",
] as const satisfies readonly ProblemCode[];

/** One wrong member: where it is (JSON pointer, RFC 6901) and what is wrong with it. */
export interface MemberError {
  readonly pointer: string;
  readonly detail: string;
}

/** What a problem may carry beside its code. `detail` and `errors` reach the client, so they hold no internals. */
export interface ProblemData {
  readonly detail?: string;
  readonly errors?: readonly MemberError[];
}

/**
 * An error that the caller is told about. A plain MoleculerError, because Moleculer rebuilds only its own classes on
 * the other side of the wire: compare `type`, never `instanceof`.
 */
export function problem(code: ProblemCode, data: ProblemData = {}): Errors.MoleculerError {
  const kind: ProblemKind = problemKinds[code];
  return new Errors.MoleculerError(kind.title, kind.status, code, data);
}

/** Moleculer's own errors, in our terms: none of them is the client's fault. */
const brokerErrors: Readonly<Record<string, ProblemCode>> = {
  SERVICE_NOT_FOUND: "SERVICE_UNAVAILABLE",
  SERVICE_NOT_AVAILABLE: "SERVICE_UNAVAILABLE",
  REQUEST_REJECTED: "SERVICE_UNAVAILABLE",
  QUEUE_FULL: "OVERLOADED",
  BAD_GATEWAY: "SERVICE_UNAVAILABLE",
  REQUEST_TIMEOUT: "DEADLINE_EXCEEDED",
  REQUEST_SKIPPED: "DEADLINE_EXCEEDED",
};

/** The problem that an error stands for; anything unknown is an INTERNAL_ERROR and tells nothing. */
export function problemOf(error: unknown): { code: ProblemCode; data: ProblemData } {
  const { type, data, code } = (error ?? {}) as { type?: unknown; data?: ProblemData; code?: unknown };
  if (typeof type !== "string") return { code: "INTERNAL_ERROR", data: {} };
  // Moleculer knows REQUEST_TIMEOUT too: its 504 is a deadline, ours (408) a slow client.
  if (Object.hasOwn(brokerErrors, type) && code !== 408)
    return { code: brokerErrors[type] as ProblemCode, data: {} };
  if (Object.hasOwn(problemKinds, type)) return { code: type as ProblemCode, data: data ?? {} };
  return { code: "INTERNAL_ERROR", data: {} };
}

/** True for an error that carries this problem code, on whichever node it arose. */
export function isProblem(error: unknown, code: ProblemCode): boolean {
  return problemOf(error).code === code;
}
