/** What a message says of the trace that it belongs to. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
  /** The `tracestate`, as it came. */
  readonly state?: string;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]*)?$/;
/** A later version may say more; not without end. */
const MAX_TRACEPARENT_LENGTH = 256;
const MAX_STATE_LENGTH = 512;
const MAX_STATE_MEMBERS = 32;
/** W3C Trace Context §3.3.1.3: simple keys, and those of several tenants. */
const STATE_MEMBER =
  /^((?:[a-z][a-z0-9_\-*/]{0,255})|(?:[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}))=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])$/;

/**
 * Reads `traceparent` and `tracestate` (W3C Trace Context §3.2, §3.3) of headers or of a message. Whatever is not exactly
 * as they have to be counts as absent, for they may be anybody's.
 */
export function readTraceContext(carried: unknown): TraceContext | undefined {
  if (typeof carried !== "object" || carried === null) return undefined;
  const { traceparent, tracestate } = carried as Record<string, unknown>;
  if (typeof traceparent !== "string" || traceparent.length > MAX_TRACEPARENT_LENGTH) return undefined;
  const [, version, traceId = "", spanId = "", flags = "", more] = TRACEPARENT.exec(traceparent) ?? [];
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  const context = { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
  return isState(tracestate) ? { ...context, state: tracestate } : context;
}

/** `00-…`: whether it is sampled is all that its flags tell. */
export function writeTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;
}

function isState(state: unknown): state is string {
  if (typeof state !== "string" || state === "" || state.length > MAX_STATE_LENGTH) return false;
  const members = state.split(",").map((member) => member.trim());
  if (members.length > MAX_STATE_MEMBERS) return false;
  const keys = members.filter((member) => member !== "").map((member) => STATE_MEMBER.exec(member)?.[1]);
  return keys.length > 0 && !keys.includes(undefined) && new Set(keys).size === keys.length;
}
