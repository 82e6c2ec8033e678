import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ConfigurationError } from "../../services/common/config.ts";
import { readTracingConfig } from "../../services/common/tracing/config.ts";
import { lossReport, quietExporter } from "../../services/common/tracing/quiet-exporter.ts";
import { sampling } from "../../services/common/tracing/sampling.ts";
import { spanOfStatement } from "../../services/common/tracing/statements.ts";
import { readTraceContext, writeTraceparent } from "../../services/common/tracing/trace-context.ts";

const ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";

describe("readTracingConfig", () => {
  it("is off unless a receiver is set", () => {
    expect(readTracingConfig({})).toEqual({
      url: undefined,
      sampler: "parentbased_traceidratio",
      ratio: 0.1,
    });
    expect(readTracingConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: "" }).url).toBeUndefined();
  });

  it("sends to /v1/traces below the endpoint, or to the address that is given for traces", () => {
    const at = (environment: Record<string, string>) => readTracingConfig(environment).url;
    expect(at({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318" })).toBe("http://c:4318/v1/traces");
    expect(at({ OTEL_EXPORTER_OTLP_ENDPOINT: "https://c/otlp/" })).toBe("https://c/otlp/v1/traces");
    const both = {
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://c",
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://t/x",
    };
    expect(at(both)).toBe("http://t/x");
  });

  it.each([
    [
      "OTEL_EXPORTER_OTLP_ENDPOINT",
      "c:4318",
      'must be a URL that starts with http:// or https://, but is "c:4318"',
    ],
    ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://c", "must be a URL that starts with http:// or https://"],
    ["OTEL_TRACES_SAMPLER", "sometimes", "must be one of always_on, always_off, traceidratio, parentbased_"],
    ["OTEL_TRACES_SAMPLER_ARG", "1.5", 'must be a number from 0 to 1, as 0.25, but is "1.5"'],
    ["OTEL_TRACES_SAMPLER_ARG", "-0", "must be a number from 0 to 1"],
    ["OTEL_TRACES_SAMPLER_ARG", "ten", "must be a number from 0 to 1"],
  ])("refuses %s=%s", (name, value, message) => {
    const read = () => readTracingConfig({ [name]: value });
    expect(read).toThrow(ConfigurationError);
    expect(read).toThrow(`${name} ${message}`);
  });
});

describe("readTraceContext", () => {
  it("reads what writeTraceparent writes, and a later version", () => {
    const context = { traceId: ID, spanId: SPAN, isSampled: true };
    expect(readTraceContext({ traceparent: writeTraceparent(context) })).toEqual(context);
    expect(readTraceContext({ traceparent: `01-${ID}-${SPAN}-03-more` })).toEqual(context);
    expect(readTraceContext({ traceparent: `00-${ID}-${SPAN}-02` })).toEqual({
      ...context,
      isSampled: false,
    });
  });

  it("takes a state of 32 members and 512 characters, and none above", () => {
    const traceparent = `00-${ID}-${SPAN}-01`;
    const state = (tracestate: unknown) => readTraceContext({ traceparent, tracestate })?.state;
    const members = (count: number) => Array.from({ length: count }, (_, index) => `k${index}=v`).join(",");
    const long = (length: number) =>
      `a=${"v".repeat(200)},b=${"v".repeat(200)},c=${"v".repeat(length - 408)}`;
    expect([state(members(32)), state(members(33))]).toEqual([members(32), undefined]);
    expect([state(long(512)), state(long(513))]).toEqual([long(512), undefined]);
    expect(state("tenant@vendor=1, other=2")).toBe("tenant@vendor=1, other=2");
    for (const bad of ["", "A=1", "a", "a=", "a=1=2", "a=\u00e9", "a=1,a=2", 5, ["a=1"]])
      expect(state(bad)).toBeUndefined();
  });

  it("answers with two ids of the right form or nothing, whatever comes, and soon", () => {
    const piece = fc.constantFrom("00", "01", "ff", "-", ID, SPAN, "0".repeat(32), " ", ",", "\n", "G");
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join("")),
    );
    const carried = fc.oneof(fc.anything(), fc.record({ traceparent: text, tracestate: text }));
    fc.assert(
      fc.property(carried, (from) => {
        const context = readTraceContext(from);
        if (context === undefined) return;
        expect(context.traceId).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
        expect(context.spanId).toMatch(/^(?!0{16})[0-9a-f]{16}$/);
        expect(writeTraceparent(context)).toHaveLength(55);
      }),
      { numRuns: 2_000 },
    );
    const began = performance.now();
    readTraceContext({ traceparent: `00-${ID}-${SPAN}-01`, tracestate: `${"a".repeat(500)}` });
    readTraceContext({ traceparent: "-".repeat(100_000), tracestate: ",".repeat(100_000) });
    expect(performance.now() - began).toBeLessThan(200);
  });
});

describe("sampling", () => {
  const COUNT = 10_000;
  /** The share that is recorded of requests that say so. */
  function shareOf(
    sampler: Parameters<typeof sampling>[0]["sampler"],
    ratio: number,
    isAsked?: boolean,
  ): number {
    const decide = sampling({ sampler, ratio });
    return Array.from({ length: COUNT }, () => decide(isAsked)).filter(Boolean).length / COUNT;
  }

  it.each([
    ["always_on", undefined, 1],
    ["always_on", false, 1],
    ["always_off", true, 0],
    ["parentbased_always_on", undefined, 1],
    ["parentbased_always_on", true, 1],
    ["parentbased_always_on", false, 0],
    ["parentbased_always_off", undefined, 0],
    ["parentbased_traceidratio", false, 0],
  ] as const)("%s, asked %s: %s of all", (sampler, isAsked, share) => {
    expect(shareOf(sampler, 0.25, isAsked)).toBe(share);
  });

  it.each(["traceidratio", "parentbased_traceidratio"] as const)("%s takes the ratio", (sampler) => {
    expect(shareOf(sampler, 0.25)).toBeGreaterThan(0.2);
    expect(shareOf(sampler, 0.25)).toBeLessThan(0.3);
    expect(shareOf(sampler, 0)).toBe(0);
  });

  it.each(["parentbased_always_off", "parentbased_traceidratio"] as const)(
    "%s heeds callers up to the ratio, however many ask",
    (sampler) => {
      expect(shareOf(sampler, 0.25, true)).toBeLessThan(0.2515);
      expect(shareOf(sampler, 0.25, true)).toBeGreaterThan(0.249);
      expect(shareOf(sampler, 0, true)).toBe(0);
    },
  );

  it("heeds every caller that asks among many who do not", () => {
    const decide = sampling({ sampler: "parentbased_traceidratio", ratio: 0.1 }, () => 1);
    const asked = Array.from({ length: COUNT }, (_, index) => index % 20 === 0);
    const decisions = asked.map((isAsked) => decide(isAsked || undefined));
    expect(decisions).toEqual(asked);
  });
});

describe("spanOfStatement", () => {
  const told = (statement: unknown) => {
    const { name, attributes = {} } = spanOfStatement(statement);
    return [name, attributes["db.operation.name"], attributes["db.collection.name"]];
  };

  it.each([
    ["select * from users.users u where id = $1", "SELECT users.users", "SELECT", "users.users"],
    ['insert into "auth"."sessions" ("id") values ($1)', "INSERT auth.sessions", "INSERT", "auth.sessions"],
    ["update accounts.accounts set version = 2", "UPDATE accounts.accounts", "UPDATE", "accounts.accounts"],
    [
      "with gone as (delete from a.b returning 1) insert into a.outbox select 1",
      "DELETE a.b",
      "DELETE",
      "a.b",
    ],
    ["with x as (select 1 from a.b) select * from x", "SELECT a.b", "SELECT", "a.b"],
    ["begin; set local statement_timeout = 17", "BEGIN", "BEGIN", undefined],
    ["commit", "COMMIT", "COMMIT", undefined],
    ["", "STATEMENT", "STATEMENT", undefined],
  ])("tells of %j its operation and table", (text, ...expected) => {
    expect(told(text)).toEqual(expected);
    expect(told({ text })).toEqual(expected);
  });

  it("calls a statement by its name where it has one", () => {
    expect(told({ name: "a.find", text: "select 1 from a.b" })).toEqual(["a.find", "SELECT", "a.b"]);
    expect(told({ name: "a.find", text: "select 1 from a.b" })).toEqual(["a.find", "SELECT", "a.b"]);
  });

  it("tells nothing of what is written into a statement as a value", () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        const quoted = `'${value.replaceAll("'", "''")} from canary.value'`;
        for (const text of [
          `select ${quoted}`,
          `insert into a.b values (${quoted}, 12.5)`,
          `select $x$ from canary.value $x$`,
        ])
          expect(JSON.stringify(spanOfStatement(text))).not.toMatch(/canary|12\.5/);
      }),
    );
  });
});

describe("what could not be sent", () => {
  it("is told of at once, then at most once a minute, without what the receiver has said", () => {
    const warnings: string[] = [];
    const error = Object.assign(new Error("canary"), { code: 503, data: "canary" });
    const failing = {
      export: (_: unknown, done: (result: { code: number; error: Error }) => void) =>
        done({ code: 1, error }),
      shutdown: async () => undefined,
    };
    const exporter = quietExporter(
      failing as never,
      lossReport((message) => warnings.push(message)),
    );
    const results: number[] = [];
    for (let count = 0; count < 100; count += 1)
      exporter.export([{}, {}] as never, ({ code }) => results.push(code));
    expect(results).toEqual(Array.from({ length: 100 }, () => 0));
    expect(warnings).toEqual(["2 spans of traces were lost: the receiver answered with status 503"]);
  });
});
