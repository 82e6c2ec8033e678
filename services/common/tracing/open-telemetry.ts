import { AsyncLocalStorage } from "node:async_hooks";
import {
  createTraceState,
  type Link,
  type Span as OpenSpan,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { RandomIdGenerator } from "@opentelemetry/sdk-trace";
import type { Carried, FirstSpan, Place, Span, SpanOptions, Tracing } from "../tracing.ts";
import { asSpan, endWith } from "./recorded-span.ts";
import type { Sampling } from "./sampling.ts";
import { readTraceContext, writeTraceparent } from "./trace-context.ts";

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const;

class SpanPlace implements Place {
  readonly span: OpenSpan;

  constructor(span: OpenSpan) {
    this.span = span;
  }

  get isRecorded(): boolean {
    return this.span.isRecording();
  }
}

/**
 * Tracing with OpenTelemetry's SDK. Where a trace is not recorded, its ids are still passed on, for the logs.
 * @param tracer records whatever it is asked to.
 */
export class OpenTelemetryTracing implements Tracing {
  readonly close: () => Promise<void>;
  readonly #tracer: Tracer;
  readonly #isToBeRecorded: Sampling;
  readonly #present = new AsyncLocalStorage<SpanPlace | undefined>();
  readonly #ids = new RandomIdGenerator();

  constructor(tracer: Tracer, isToBeRecorded: Sampling, close: () => Promise<void>) {
    this.#tracer = tracer;
    this.#isToBeRecorded = isToBeRecorded;
    this.close = close;
  }

  isRecording(): boolean {
    return this.#present.getStore()?.isRecorded ?? false;
  }

  here(): SpanPlace | undefined {
    return this.#present.getStore();
  }

  carried(): Carried | undefined {
    const place = this.#present.getStore();
    return place && carriedBy(place.span.spanContext());
  }

  logFields() {
    const context = this.#present.getStore()?.span.spanContext();
    return context && { trace_id: context.traceId, span_id: context.spanId };
  }

  below<Result>(options: SpanOptions, work: (span: Span | undefined) => Result): Result {
    const parent = this.#present.getStore();
    if (!parent?.isRecorded) return work(undefined);
    return this.#record(this.#begin(options, parent.span.spanContext()), work);
  }

  shared<Result>(places: readonly (Place | undefined)[], options: SpanOptions, work: () => Result): Result {
    const [leader, ...others] = places.filter((place) => place instanceof SpanPlace && place.isRecorded);
    if (!leader) return this.#present.run(places[0] as SpanPlace | undefined, work);
    const spans = (others as SpanPlace[]).map(({ span }) => span);
    const links = spans.map((span) => ({ context: span.spanContext() }));
    const span = this.#begin(options, (leader as SpanPlace).span.spanContext(), links);
    for (const other of spans) other.addLink({ context: span.spanContext() });
    return this.#record(span, work);
  }

  following<Result>(
    carried: unknown,
    options: SpanOptions,
    work: (span: Span | undefined) => Result,
  ): Result {
    const context = remoteContextOf(carried);
    if (!context) return this.#present.run(undefined, () => work(undefined));
    if (isSampled(context)) return this.#record(this.#begin(options, context), work);
    return this.#present.run(new SpanPlace(trace.wrapSpanContext(context)), () => work(undefined));
  }

  first(options: SpanOptions, outside?: unknown): FirstSpan {
    const context = remoteContextOf(outside);
    const isRecorded = this.#isToBeRecorded(context && isSampled(context));
    const span = isRecorded ? this.#begin(options, context) : this.#unrecorded(context);
    const place = new SpanPlace(span);
    return {
      ...asSpan(span),
      carried: carriedBy(span.spanContext()),
      run: (work) => this.#present.run(place, work),
      end: () => span.end(),
    };
  }

  alone<Result>(options: SpanOptions, work: () => Result): Result {
    const span = this.#isToBeRecorded(undefined)
      ? this.#begin(options, undefined)
      : this.#unrecorded(undefined);
    return this.#record(span, work);
  }

  #begin({ name, kind, attributes = {} }: SpanOptions, parent: SpanContext | undefined, links: Link[] = []) {
    const context = parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
    return this.#tracer.startSpan(name, { kind: KINDS[kind], attributes: { ...attributes }, links }, context);
  }

  #record<Result>(span: OpenSpan, work: (span: Span | undefined) => Result): Result {
    return this.#present.run(new SpanPlace(span), () => endWith(span, () => work(asSpan(span))));
  }

  #unrecorded(parent: SpanContext | undefined): OpenSpan {
    return trace.wrapSpanContext({
      traceId: parent?.traceId ?? this.#ids.generateTraceId(),
      spanId: this.#ids.generateSpanId(),
      traceFlags: TraceFlags.NONE,
      ...(parent?.traceState && { traceState: parent.traceState }),
    });
  }
}

function isSampled({ traceFlags }: SpanContext): boolean {
  return (traceFlags & TraceFlags.SAMPLED) !== 0;
}

function remoteContextOf(carried: unknown): SpanContext | undefined {
  const context = readTraceContext(carried);
  if (!context) return undefined;
  const { traceId, spanId, isSampled: isSet, state } = context;
  return {
    traceId,
    spanId,
    isRemote: true,
    traceFlags: isSet ? TraceFlags.SAMPLED : TraceFlags.NONE,
    ...(state !== undefined && { traceState: createTraceState(state) }),
  };
}

function carriedBy(context: SpanContext): Carried {
  const { traceId, spanId, traceState } = context;
  const traceparent = writeTraceparent({ traceId, spanId, isSampled: isSampled(context) });
  const tracestate = traceState?.serialize();
  return tracestate ? { traceparent, tracestate } : { traceparent };
}
