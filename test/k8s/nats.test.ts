import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { connect } from "nats";
import { freePort } from "../../scripts/development/processes.ts";
import { authorizationOf, type NodeIds, nodeIdsLike } from "./nats/authorization.ts";
import { connectAs, mayHear, maySend } from "./nats/clients.ts";
import { type ConfiguredNats, startConfiguredNats } from "./nats/server.ts";
import { dataOf } from "./rules/shutdown.ts";
import { serviceNames } from "./support/code.ts";
import { containerOf, type Document, servicesOf, type Workload } from "./support/documents.ts";
import { type Graph, readGraph } from "./support/graph.ts";
import { type Live, liveOnce, startLive, until } from "./support/live.ts";
import { render } from "./support/render.ts";

const NAMESPACE = "butler";
let graph: Graph;
let documents: Document[];
let nats: ConfiguredNats;
let live: Live;

beforeAll(async () => {
  [graph, documents] = await Promise.all([readGraph(), render("production")]);
  nats = await startConfiguredNats(documents);
  live = await startLive(documents, (service) => ({ NATS_URL: nats.url(service) }));
}, 60_000);
afterAll(async () => {
  await live?.stop();
  await nats?.stop();
});

/** How the running processes call their nodes. */
function nodeIds(): NodeIds {
  const [replica] = live.replicas;
  const [, id = ""] = / as replica (\S+),/.exec(replica?.output() ?? "") ?? [];
  return nodeIdsLike(id, replica?.service as string);
}

describe("the authorisation of NATS", () => {
  it("is what the contracts make of it", () => {
    const expected = authorizationOf({ graph, namespace: NAMESPACE, nodeIds: nodeIds() });
    expect(dataOf(documents, "authorization.conf")).toBe(expected);
  });

  it("is for the namespace that the processes are in", () => {
    const map = documents.find(({ metadata }) => metadata.name.startsWith("butler-process-"));
    expect(map?.data?.NATS_NAMESPACE).toBe(NAMESPACE);
  });

  it("lets each service do its part with its own credential, and nothing that one tries is refused", async () => {
    await liveOnce(live);
    const lines = nats.log().split("\n");
    expect(lines.filter((line) => /violation/i.test(line))).toEqual([]);
  });

  it("lets nobody in without a credential, or with another's password", async () => {
    await expect(connect({ servers: nats.address })).rejects.toThrow(/Authorization Violation/i);
    const { password } = new URL(nats.url("users"));
    await expect(connect({ servers: nats.address, user: "auth", pass: password })).rejects.toThrow(
      /Authorization Violation/i,
    );
  });

  it.each(serviceNames)("leaves %s its part of this namespace, and nothing else", async (service) => {
    const client = await connectAs(service, nats);
    try {
      for (const subject of [">", "MOL-butler.>", "MOL-other.>", "MOL-other.REQ.x", "$SYS.>", "_INBOX.>"]) {
        expect([subject, await mayHear(client, subject)]).toEqual([subject, false]);
      }
      const asked = "MOL-butler.REQ.x";
      const answered = "MOL-butler.RES.x";
      const foreign = ["anything", "MOL-other.INFO", "MOL-other.REQ.x", "$SYS.REQ.SERVER.PING"];
      const sent = await maySend(client, [...foreign, "MOL-butler.INFO", asked, answered]);
      for (const subject of foreign) expect([subject, sent.get(subject)]).toEqual([subject, false]);
      expect(sent.get("MOL-butler.INFO")).toBe(true);
      if (nodeIds() === "of one piece") {
        expect(sent.get(asked)).toBe((graph.calls.get(service) ?? []).length > 0);
        expect(sent.get(answered)).toBe([...graph.calls.values()].some((called) => called.includes(service)));
      }
    } finally {
      await client.close();
    }
  });
});

describe("the manifests' probes", () => {
  it("are answered by each service, where its Deployment asks", async () => {
    for (const deployment of servicesOf(documents)) {
      const { args, startupProbe, livenessProbe, readinessProbe } = containerOf(deployment);
      const replica = live.replicas.find(({ service }) => service === args?.[0]);
      for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
        const path = probe?.httpGet?.path;
        const { status } = await fetch(`${replica?.metricsUrl}${path}`);
        expect([deployment.metadata.name, path, status]).toEqual([deployment.metadata.name, path, 200]);
      }
    }
  });
});

describe("the servers of NATS", () => {
  it("ask their clients to leave when the hook of their pod runs, and the SIGTERM after it does not cut that short", async () => {
    const nats = documents.find(({ kind }) => kind === "StatefulSet") as Workload;
    const [, ...words] = containerOf(nats).lifecycle?.preStop?.exec?.command ?? [];
    const server = await startConfiguredNats(documents);
    const client = await connectAs("auth", server);
    const statuses: string[] = [];
    void (async () => {
      for await (const { type } of client.status()) statuses.push(type);
    })();
    try {
      const hook = words.map((word) => word.replace("/run/nats/nats.pid", server.pidFile));
      await promisify(execFile)(process.env.TEST_NATS_BINARY as string, hook);
      await until(async () => server.log().includes("lame duck mode"));
      process.kill(server.pid, "SIGTERM");
      await until(async () => statuses.includes("ldm"));
      await client.flush();
    } finally {
      await client.close();
      await server.kill();
    }
  });

  it("form a cluster with the password of the secret", async () => {
    const ports = [await freePort(), await freePort()];
    const servers = await Promise.all(
      ports.map((port) => startConfiguredNats(documents, { cluster: { port, others: ports } })),
    );
    try {
      const [hearing, sending] = await Promise.all([
        connectAs("auth", servers[0] as ConfiguredNats),
        connectAs("users", servers[1] as ConfiguredNats),
      ]);
      const heard: string[] = [];
      hearing.subscribe("MOL-butler.INFO", { callback: (_, message) => heard.push(message.string()) });
      await until(async () => {
        sending.publish("MOL-butler.INFO", "over the route");
        await sending.flush();
        return heard.length > 0;
      });
      expect(heard[0]).toBe("over the route");
      await Promise.all([hearing.close(), sending.close()]);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  });
});
