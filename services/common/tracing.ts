/** Names as OpenTelemetry's conventions have them. What a request says (parameters, results, who asks) never goes here. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanOptions {
  /** One of few: no ids, no values. */
  readonly name: string;
  readonly kind: "internal" | "server" | "client" | "producer" | "consumer";
  readonly attributes?: Attributes;
}

/** A step of a trace, while it lasts. */
export interface Span {
  set(attribute: string, value: string | number | boolean): void;
  /** @param reason a code, never a message: those quote values. */
  failed(reason: string): void;
}

/** What tells another process which trace, and which span of it, something is done for (W3C Trace Context). */
export interface Carried {
  readonly traceparent: string;
  readonly tracestate?: string;
}

/** The first span of this process for a trace. */
export interface FirstSpan extends Span {
  readonly carried: Carried;
  /** Runs a function, and all that it begins, as part of it. */
  run<Result>(work: () => Result): Result;
  end(): void;
}

/** Where in which trace somebody is. */
export interface Place {
  readonly isRecorded: boolean;
}

/** One process's part in traces. What runs on behalf of a span finds it by itself (AsyncLocalStorage). */
export interface Tracing {
  /** Whether what is done just now is part of a trace that is recorded: what only serves a span can be left out if not. */
  isRecording(): boolean;
  /** Where the caller is; undefined outside of any trace. */
  here(): Place | undefined;
  /** What a message that leaves just now is to carry. */
  carried(): Carried | undefined;
  /** What a line of the log that is written just now carries. */
  logFields(): { readonly trace_id: string; readonly span_id: string } | undefined;
  /** Runs a function as a span of the trace that is recorded just now; where there is none, just runs it. */
  below<Result>(options: SpanOptions, work: (span: Span | undefined) => Result): Result;
  /** As `below`, for several at once: the span is in the trace of the first, with links from and to the others. */
  shared<Result>(places: readonly (Place | undefined)[], options: SpanOptions, work: () => Result): Result;
  /** Runs it as a span of the trace that a message of another process carries; whatever is malformed counts as none. */
  following<Result>(carried: unknown, options: SpanOptions, work: (span: Span | undefined) => Result): Result;
  /** Begins a trace, or goes on with the one that somebody outside names: whether it is recorded is decided here. */
  first(options: SpanOptions, outside?: unknown): FirstSpan;
  /** Runs a function as a trace of its own. */
  alone<Result>(options: SpanOptions, work: () => Result): Result;
  /** Sends what has not been sent yet, within a limit. */
  close(): Promise<void>;
}

/** Undefined while tracing is off, as it is unless a receiver is set: then each of its users costs a comparison. */
export let tracing: Tracing | undefined;

/** Switches it on, before anything that uses it is made; or off. */
export function switchTracing(to: Tracing | undefined): void {
  tracing = to;
}
