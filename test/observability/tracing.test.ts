import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Send, senderTo } from "../gateway/http.ts";
import { type System, startSystem } from "../support/system.ts";
import { type ReceivedSpan, type Receiver, startReceiver } from "./tracing-receiver.ts";

/** Spans are sent every two seconds. */
const ARRIVAL_TIMEOUT_MS = 25_000;

let receiver: Receiver;
let system: System;
let send: Send;
beforeAll(async () => {
  receiver = await startReceiver();
  system = await startSystem({
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_TRACES_SAMPLER: "parentbased_always_on" },
  });
  send = senderTo(system);
});
afterAll(async () => {
  await system.stop();
  await receiver.stop();
});

const someone = () => `user-${randomUUID()}`;

interface Outside {
  readonly traceId: string;
  readonly spanId: string;
  readonly headers: Record<string, string>;
}

/** A client that traces. */
function outside(flags = "01"): Outside {
  const traceId = randomBytes(16).toString("hex");
  const spanId = randomBytes(8).toString("hex");
  return { traceId, spanId, headers: { traceparent: `00-${traceId}-${spanId}-${flags}` } };
}

/** The spans of a trace, as soon as it has what is looked for. */
async function trace(traceId: string, isWhole: (spans: readonly ReceivedSpan[]) => boolean) {
  const end = Date.now() + ARRIVAL_TIMEOUT_MS;
  for (;;) {
    const spans = receiver.spans.filter((span) => span.traceId === traceId);
    if (isWhole(spans)) return spans;
    if (Date.now() > end) throw new Error(`Of trace ${traceId} there came ${linesOf(spans).join("; ")}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const named = (name: string) => (spans: readonly ReceivedSpan[]) => spans.some((span) => span.name === name);

function linesOf(spans: readonly ReceivedSpan[]): string[] {
  return spans.map(({ service, kind, name }) => `${service} ${kind} ${name}`);
}

/** From a span up to the first of its trace. */
function wayUp(spans: readonly ReceivedSpan[], from: ReceivedSpan | undefined): string[] {
  const way: ReceivedSpan[] = [];
  for (let span = from; span; span = spans.find(({ spanId }) => spanId === span?.parentId)) way.push(span);
  return linesOf(way);
}

const find = (spans: readonly ReceivedSpan[], line: string) =>
  spans.find((span) => linesOf([span])[0] === line);

describe("a request", () => {
  it("is one trace, from the client's own span over NATS to the statement, and to the relay of its event", async () => {
    const { traceId, spanId, headers } = outside();
    const sent = {
      headers: { ...headers, tracestate: "vendor=value,other@vendor=1" },
      body: { name: "Traced" },
    };
    const reply = await send(someone(), "POST", "/v1/portfolios", sent);
    expect(reply.status).toBe(201);
    const spans = await trace(
      traceId,
      (all) => named("tell portfolios.created")(all) && named("POST /v1/portfolios")(all),
    );

    const server = find(spans, "gateway server POST /v1/portfolios") as ReceivedSpan;
    expect(server).toMatchObject({
      parentId: spanId,
      traceState: "vendor=value,other@vendor=1",
      isFailed: false,
      attributes: {
        "http.request.method": "POST",
        "http.route": "/v1/portfolios",
        "http.response.status_code": 201,
        "http.request.id": reply.headers.get("x-request-id"),
      },
    });
    expect(reply.headers.get("traceresponse")).toBe(`00-${traceId}-${server.spanId}-01`);
    const way = [
      "portfolios server portfolios.create",
      "gateway client portfolios.create",
      "gateway server POST /v1/portfolios",
    ];
    const statement = find(spans, "portfolios client portfolios.create");
    expect(wayUp(spans, statement)).toEqual(["portfolios client portfolios.create", ...way]);
    expect(statement?.attributes).toEqual({
      "db.system.name": "postgresql",
      "db.operation.name": "INSERT",
      "db.collection.name": "portfolios.portfolios",
      "db.query.summary": "portfolios.create",
    });
    const told = find(spans, "portfolios producer tell portfolios.created");
    expect(wayUp(spans, told)).toEqual(["portfolios producer tell portfolios.created", ...way]);
    // Who asks is part of it.
    expect(wayUp(spans, find(spans, "users client users.identities.create"))).toEqual([
      "users client users.identities.create",
      "users internal shared read",
      "users server users.resolve",
      "auth client users.resolve",
      "auth server auth.authenticate",
      "gateway client auth.authenticate",
      "gateway server POST /v1/portfolios",
    ]);
    expect(statement?.traceState).toBe("vendor=value,other@vendor=1");
    for (const span of spans) expect(span.endNs).toBeGreaterThanOrEqual(span.startNs);
  });

  it("goes on in the service that hears its event, and in that one's statements", async () => {
    const user = someone();
    const body = { name: "By hand", account_type: "manual" };
    const { id } = (await (await send(user, "POST", "/v1/accounts", { body })).json()) as { id: string };
    const { traceId, headers } = outside();
    expect((await send(user, "DELETE", `/v1/accounts/${id}`, { headers })).status).toBe(204);
    const note = "portfolios.inbox.note";
    const spans = await trace(traceId, (all) => named(note)(all) && named("DELETE /v1/accounts/:id")(all));
    const [heard, consumed, called, told, ...rest] = wayUp(
      spans,
      spans.find(({ name }) => name === note),
    );
    expect([heard, consumed, called, told]).toEqual([
      "portfolios client portfolios.inbox.note",
      "portfolios consumer portfolios.accountDeleted",
      "accounts client portfolios.accountDeleted",
      "accounts producer tell accounts.deleted",
    ]);
    expect(rest[0]).toMatch(/^accounts server accounts\.\w+$/);
    expect(rest.at(-1)).toBe("gateway server DELETE /v1/accounts/:id");
  });

  it("goes on in the job that it asks for", async () => {
    const user = someone();
    const body = { name: "OKX", account_type: "exchange", exchange_name: "okx" };
    const { id } = (await (await send(user, "POST", "/v1/accounts", { body })).json()) as { id: string };
    const { traceId, headers } = outside();
    expect((await send(user, "POST", `/v1/accounts/${id}/sync`, { headers })).status).toBe(202);
    const isJob = ({ name }: ReceivedSpan) => name.startsWith("job ");
    const spans = await trace(traceId, (all) => all.some(isJob) && named("POST /v1/accounts/:id/sync")(all));
    const [job, ...way] = wayUp(spans, spans.find(isJob));
    expect(job).toMatch(/^accounts consumer job /);
    expect(way).toContain("gateway server POST /v1/accounts/:id/sync");
  });

  it("shares a statement with others: the statement is in one trace, and linked from and to the others", async () => {
    const user = someone();
    expect((await send(user, "GET", "/v1/portfolios")).status).toBe(200);
    const clients = Array.from({ length: 40 }, () => outside());
    await Promise.all(clients.map(({ headers }) => send(user, "GET", "/v1/portfolios", { headers })));
    const isWhole = (all: readonly ReceivedSpan[]) =>
      named("GET /v1/portfolios")(all) && all.some(({ service }) => service === "portfolios");
    const all = (await Promise.all(clients.map(({ traceId }) => trace(traceId, isWhole)))).flat();
    const reads = all.filter(({ service, name }) => service === "portfolios" && name === "shared read");
    const statements = all.filter(
      ({ name, kind, service }) =>
        name === "portfolios.list" && kind === "client" && service === "portfolios",
    );
    expect(reads.length).toBeGreaterThan(0);
    expect(reads.length).toBeLessThan(clients.length);
    expect(statements.map(({ parentId }) => parentId).toSorted()).toEqual(
      reads.map(({ spanId }) => spanId).toSorted(),
    );
    const servers = all.filter(({ service, kind }) => service === "portfolios" && kind === "server");
    const followers = servers.filter(({ links }) => links.length > 0);
    expect(followers.length + reads.length).toBe(clients.length);
    for (const { links, spanId } of followers) {
      const read = reads.find((each) => each.spanId === links[0]?.spanId);
      expect(read?.links.map((link) => link.spanId)).toContain(spanId);
    }
  });

  it("is not recorded when its client says so, and its replies and logs have the trace's id all the same", async () => {
    const { traceId, headers } = outside("00");
    const bad = await fetch(`${system.url}/v1/portfolios`, {
      headers: { ...headers, authorization: "Bearer a.b.c", "x-request-id": `asked-${traceId}` },
    });
    expect(bad.status).toBe(401);
    expect(bad.headers.get("traceresponse")).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
    const auth = system.replicas.find(({ service }) => service === "auth");
    const line = auth
      ?.output()
      .split("\n")
      .find((each) => each.includes("Access token refused") && each.includes(traceId));
    expect(JSON.parse(line ?? "{}")).toMatchObject({
      requestId: `asked-${traceId}`,
      trace_id: traceId,
      span_id: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    // What came later is there.
    const later = outside();
    await send(someone(), "GET", "/v1/portfolios", { headers: later.headers });
    await trace(later.traceId, named("GET /v1/portfolios"));
    expect(receiver.spans.filter((span) => span.traceId === traceId)).toEqual([]);
  });
});

describe("a trace context that is not as it must be", () => {
  const id = "4bf92f3577b34da6a3ce929d0e0e4736";
  const span = "00f067aa0ba902b7";
  const own: readonly [what: string, traceparent: string][] = [
    ["another length", `00-${id}-${span}-01-more`],
    ["no version", `ff-${id}-${span}-01`],
    ["capitals", `00-${id.toUpperCase()}-${span}-01`],
    ["zeros for an id", `00-${"0".repeat(32)}-${span}-01`],
    ["zeros for a span", `00-${id}-${"0".repeat(16)}-01`],
    ["two of them", `00-${id}-${span}-01, 00-${id}-${span}-01`],
    ["much too much", `00-${id}-${span}-01${"-x".repeat(4_000)}`],
    ["markup", "<script>alert(1)</script>"],
    ["SQL", "00'; drop table portfolios.outbox; --"],
  ];
  const stateless: readonly [what: string, tracestate: string][] = [
    ["a long state", `a=${"x".repeat(600)}`],
    ["too many members", Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(",")],
    ["no members", "what is this"],
    ["a member twice", "a=1,a=2"],
  ];

  it("counts as none: the trace is one of its own", async () => {
    const begun = own.map(async ([what, traceparent]) => {
      const headers = { traceparent, tracestate: "a=1" };
      const reply = await send(someone(), "GET", "/v1/portfolios", { headers });
      const [, traceId = ""] =
        /^00-([0-9a-f]{32})-[0-9a-f]{16}-01$/.exec(reply.headers.get("traceresponse") ?? "") ?? [];
      const spans = await trace(traceId, named("GET /v1/portfolios"));
      const first = find(spans, "gateway server GET /v1/portfolios");
      const isOwn = traceId !== "" && traceId !== id;
      return { what, status: reply.status, isOwn, parentId: first?.parentId, traceState: first?.traceState };
    });
    expect(await Promise.all(begun)).toEqual(
      own.map(([what]) => ({ what, status: 200, isOwn: true, parentId: "", traceState: "" })),
    );
  });

  it("loses its state, where that is what is wrong", async () => {
    const continued = stateless.map(async ([what, tracestate]) => {
      const { traceId, spanId, headers } = outside();
      const reply = await send(someone(), "GET", "/v1/portfolios", { headers: { ...headers, tracestate } });
      const spans = await trace(traceId, named("GET /v1/portfolios"));
      const first = find(spans, "gateway server GET /v1/portfolios");
      return {
        what,
        status: reply.status,
        isContinued: first?.parentId === spanId,
        state: first?.traceState,
      };
    });
    expect(await Promise.all(continued)).toEqual(
      stateless.map(([what]) => ({ what, status: 200, isContinued: true, state: "" })),
    );
  });
});

describe("what is sent to the receiver", () => {
  const CANARY = `canary${randomBytes(6).toString("hex")}`;
  const AMOUNT = "8271645.90431";

  it("has nothing of what requests say, or of who asks", async () => {
    const subject = `subject-${CANARY}`;
    const claims = {
      email: `${CANARY}@example.com`,
      email_verified: true,
      preferred_username: `name-${CANARY}`,
    };
    const token = await system.issuer.token(subject, { claims });
    const { traceId, headers } = outside();
    async function ask(method: string, path: string, body?: unknown, more: Record<string, string> = {}) {
      const sent = {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        ...headers,
        ...more,
      };
      const text = body === undefined ? {} : { body: JSON.stringify(body) };
      return fetch(system.url + path, { method, headers: sent, ...text });
    }
    const idOf = async (reply: Response) => ((await reply.json()) as { id: string }).id;
    const credentials = {
      api_key: `key-${CANARY}`,
      api_secret: `secret-${CANARY}`,
      passphrase: `phrase-${CANARY}`,
    };
    const expires_at = new Date(Date.now() + 86_400_000).toISOString();
    const newToken = { name: CANARY, scopes: ["portfolios:read"], expires_at };
    const exchange = { name: `x ${CANARY}`, account_type: "exchange", exchange_name: "okx", ...credentials };
    const exchangeId = await idOf(await ask("POST", "/v1/accounts", exchange));
    const accountId = await idOf(
      await ask("POST", "/v1/accounts", { name: `m ${CANARY}`, account_type: "manual" }),
    );
    const holdings = [{ asset: "BTC", quantity: AMOUNT }];
    expect((await ask("PUT", `/v1/accounts/${accountId}/holdings`, { holdings })).status).toBeLessThan(500);
    await ask("POST", `/v1/accounts/${exchangeId}/sync`);
    // Written in one statement by the ORM, with its values: it must be told by its table only.
    const named = {
      name: `from portfolios.${CANARY}`,
      description: `it's update auth.${CANARY}`,
      is_default: true,
    };
    const portfolioId = await idOf(
      await ask("POST", "/v1/portfolios", named, { "idempotency-key": `once-${CANARY}` }),
    );
    expect(
      (await ask("PATCH", `/v1/portfolios/${portfolioId}`, { name: `into users.${CANARY}` })).status,
    ).toBe(200);
    await ask("POST", `/v1/portfolios/${portfolioId}/accounts`, { account_id: accountId });
    await ask("GET", `/v1/portfolios/${portfolioId}/holdings`);
    await ask("GET", `/v1/portfolios?cursor=${CANARY}`);
    await ask("GET", `/v1/portfolios/${CANARY}`);
    await ask("GET", `/${CANARY}`);
    await ask("GET", "/v1/me/audit", undefined, {
      "user-agent": CANARY,
      "x-forwarded-for": CANARY,
      baggage: `user=${CANARY}`,
    });
    await ask("GET", "/v1/me/export");
    const made = (await (await ask("POST", "/v1/tokens", newToken)).json()) as object;
    await ask("GET", "/v1/portfolios", undefined, { authorization: `Bearer bad.${CANARY}` });
    const last = outside();
    await ask("DELETE", "/v1/me", undefined, last.headers);
    await trace(last.traceId, (all) => all.some(({ name }) => name === "DELETE /v1/me"));
    const spans = receiver.spans.filter((span) => span.traceId === traceId);
    expect(spans.length).toBeGreaterThan(60);

    const text = receiver.bytes().toString("latin1");
    const [, payload = ""] = token.split(".");
    const [userId] = await system.database.query<{ id: string }>("select $1::text as id", [portfolioId]);
    const secrets = [
      CANARY,
      AMOUNT,
      token,
      payload.slice(0, 60),
      userId?.id,
      accountId,
      exchangeId,
      ...Object.values(made).filter((each) => /cpb_pat_/.test(String(each))),
    ];
    expect(secrets.some((each) => String(each).startsWith("cpb_pat_"))).toBe(true);
    expect(secrets.filter((each) => text.includes(String(each)))).toEqual([]);
    expect(text).not.toMatch(/@example\.com|Bearer|\bselect\b.*\bwhere\b|values \(/i);
    expect(text).toContain("portfolios.list");
  });
});

describe("a stop", () => {
  it("sends what has not been sent yet", async () => {
    const { traceId, headers } = outside();
    expect((await send(someone(), "GET", "/v1/portfolios", { headers })).status).toBe(200);
    const codes = await Promise.all(system.replicas.map((replica) => replica.stop()));
    expect(codes).toEqual(system.replicas.map(() => 0));
    const spans = receiver.spans.filter((span) => span.traceId === traceId);
    const services = new Set(spans.map(({ service }) => service));
    expect(services).toEqual(new Set(["gateway", "auth", "users", "portfolios"]));
  });
});
