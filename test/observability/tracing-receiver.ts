import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A span as it arrived. */
export interface ReceivedSpan {
  /** `service.name` of the process that sent it. */
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first of a trace. */
  readonly parentId: string;
  readonly traceState: string;
  readonly name: string;
  readonly kind: "unspecified" | "internal" | "server" | "client" | "producer" | "consumer";
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly isFailed: boolean;
  readonly startNs: bigint;
  readonly endNs: bigint;
}

export interface Receiver {
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** All bytes of all requests, headers included. */
  readonly bytes: () => Buffer;
  readonly requests: () => number;
  /** What it answers from now on; undefined: nothing at all. */
  answers: number | undefined;
  stop(): Promise<void>;
}

/** A receiver of traces: OTLP over HTTP, protobuf (opentelemetry-proto, trace/v1). */
export async function startReceiver(): Promise<Receiver> {
  const spans: ReceivedSpan[] = [];
  const bodies: Buffer[] = [];
  let requests = 0;
  const server = createServer(async (request, response) => {
    requests += 1;
    const chunks: Buffer[] = [Buffer.from(request.rawHeaders.join("\n"))];
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk as Buffer);
    bodies.push(...chunks, ...body);
    if (receiver.answers === 200 && request.url === "/v1/traces") spans.push(...spansOf(Buffer.concat(body)));
    if (receiver.answers === undefined) return;
    const isTaken = receiver.answers === 200 && request.url === "/v1/traces";
    response.writeHead(request.url === "/v1/traces" ? receiver.answers : 404);
    response.end(isTaken ? undefined : "canary-of-the-receiver");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    bytes: () => Buffer.concat(bodies),
    requests: () => requests,
    answers: 200,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}

/** A message's fields by their numbers: numbers as bigint, all else as bytes. */
type Fields = ReadonlyMap<number, readonly (bigint | Buffer)[]>;

function fieldsOf(message: Buffer): Fields {
  const fields = new Map<number, (bigint | Buffer)[]>();
  let at = 0;
  function varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++] as number;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
  function take(length: number): Buffer {
    at += length;
    return message.subarray(at - length, at);
  }
  while (at < message.length) {
    const tag = Number(varint());
    const type = tag & 7;
    const value =
      type === 0 ? varint() : type === 2 ? take(Number(varint())) : readFixed(take(type === 1 ? 8 : 4));
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value]);
  }
  return fields;
}

function readFixed(bytes: Buffer): bigint {
  return bytes.length === 8 ? bytes.readBigUInt64LE() : BigInt(bytes.readUInt32LE());
}

function messages(fields: Fields, number: number): Fields[] {
  return (fields.get(number) ?? []).map((each) => fieldsOf(each as Buffer));
}

function text(fields: Fields, number: number, encoding: BufferEncoding = "utf8"): string {
  return ((fields.get(number)?.[0] as Buffer | undefined) ?? Buffer.alloc(0)).toString(encoding);
}

const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"] as const;
const STATUS_ERROR = 2n;

/** ExportTraceServiceRequest. */
function spansOf(body: Buffer): ReceivedSpan[] {
  return messages(fieldsOf(body), 1).flatMap((resourceSpans) => {
    const [resource] = messages(resourceSpans, 1);
    const service = String(attributesOf(resource as Fields, 1)["service.name"]);
    return messages(resourceSpans, 2).flatMap((scope) =>
      messages(scope, 2).map((span) => spanOf(service, span)),
    );
  });
}

function spanOf(service: string, span: Fields): ReceivedSpan {
  return {
    service,
    traceId: text(span, 1, "hex"),
    spanId: text(span, 2, "hex"),
    traceState: text(span, 3),
    parentId: text(span, 4, "hex"),
    name: text(span, 5),
    kind: KINDS[Number(span.get(6)?.[0] ?? 0n)] as ReceivedSpan["kind"],
    startNs: span.get(7)?.[0] as bigint,
    endNs: span.get(8)?.[0] as bigint,
    attributes: attributesOf(span, 9),
    links: messages(span, 13).map((link) => ({
      traceId: text(link, 1, "hex"),
      spanId: text(link, 2, "hex"),
    })),
    isFailed: messages(span, 15).some((status) => status.get(3)?.[0] === STATUS_ERROR),
  };
}

function attributesOf(fields: Fields, number: number): Record<string, string | number> {
  return Object.fromEntries(
    messages(fields, number).map((attribute) => {
      const [value] = messages(attribute, 2) as [Fields];
      const integer = value.get(3)?.[0];
      return [text(attribute, 1), integer === undefined ? text(value, 1) : Number(integer)];
    }),
  );
}
