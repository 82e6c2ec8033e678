import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { ServiceBroker, type ServiceSchema } from "moleculer";
import { brokerOptions } from "../../moleculer.config.ts";
import { readProcessConfig } from "../../services/common/broker-config.ts";
import { problemOf } from "../../services/common/problem.ts";
import { authorizationOf } from "./nats/authorization.ts";
import { connectAs, mayHear, maySend } from "./nats/clients.ts";
import { type ConfiguredNats, startConfiguredNats } from "./nats/server.ts";
import { serviceNames } from "./support/code.ts";
import { type Graph, readGraph } from "./support/graph.ts";
import { render } from "./support/render.ts";

// Brokers set up as the processes' are, whose ids begin with their service's name as a piece of its own.

const NAMESPACE = "butler";
const brokers = new Map<string, ServiceBroker>();
let graph: Graph;
let nats: ConfiguredNats;

beforeAll(async () => {
  graph = await readGraph();
  const authorization = authorizationOf({ graph, namespace: NAMESPACE, nodeIds: "by service" });
  nats = await startConfiguredNats(await render("production"), { authorization });
  await Promise.all(
    serviceNames.map(async (name) => {
      const config = readProcessConfig({ NATS_URL: nats.url(name), NATS_NAMESPACE: NAMESPACE });
      const broker = new ServiceBroker({ ...brokerOptions(`${name}.host.1`, config), logger: false });
      broker.createService({ name, actions: { act: () => name } } as unknown as ServiceSchema);
      await broker.start();
      brokers.set(name, broker);
    }),
  );
  for (const broker of brokers.values()) await broker.waitForServices([...serviceNames], 10_000);
}, 30_000);
afterAll(async () => {
  await Promise.all([...brokers.values()].map((broker) => broker.stop()));
  await nats?.stop();
});

describe("nodes whose ids begin with their service", () => {
  it.each(serviceNames)("let %s call those that it uses", async (name) => {
    for (const called of graph.calls.get(name) ?? []) {
      await expect(brokers.get(name)?.call(`${called}.act`)).resolves.toBe(called);
    }
  });

  it("and nobody is refused anything by that", () => {
    const lines = nats.log().split("\n");
    expect(lines.filter((line) => /violation/i.test(line))).toEqual([]);
  });

  it("keep a call that a contract does not know from arriving", async () => {
    const failure = await brokers
      .get("market")
      ?.call("auth.act", {}, { timeout: 500 })
      .catch((error: unknown) => problemOf(error).code);
    expect(failure).toBe("DEADLINE_EXCEEDED");
  });

  it.each(serviceNames)("keep what is sent to the others from %s", async (name) => {
    const client = await connectAs(name, nats);
    try {
      expect(await mayHear(client, `MOL-butler.REQ.${name}.host.2`)).toBe(true);
      const others = serviceNames.filter((other) => other !== name);
      for (const packet of ["REQ", "RES", "EVENT", "INFO", "DISCOVER"]) {
        const subjects = [
          ...others.flatMap((other) => [`${other}.host.1`, `${other}.*.*`, `${other}.>`]),
          "*",
          ">",
          "*.>",
          "*.host.1",
        ];
        for (const subject of subjects.map((rest) => `MOL-butler.${packet}.${rest}`)) {
          expect([subject, await mayHear(client, subject)]).toEqual([subject, false]);
        }
      }
    } finally {
      await client.close();
    }
  });

  it.each(serviceNames)(
    "let %s ask those that it uses, answer those that use it, and nobody else",
    async (name) => {
      const client = await connectAs(name, nats);
      try {
        const others = serviceNames.filter((other) => other !== name);
        const subjectOf = (packet: string, other: string) => `MOL-butler.${packet}.${other}.host.1`;
        const sent = await maySend(
          client,
          others.flatMap((other) => [subjectOf("REQ", other), subjectOf("RES", other)]),
        );
        for (const other of others) {
          const [asked, answered] = ["REQ", "RES"].map((packet) => sent.get(subjectOf(packet, other)));
          expect([other, asked]).toEqual([other, graph.calls.get(name)?.includes(other)]);
          expect([other, answered]).toEqual([other, graph.calls.get(other)?.includes(name)]);
        }
      } finally {
        await client.close();
      }
    },
  );
});
