import { describe, expect, it } from "@jest/globals";
import { schemaFaults } from "./rules/schema.ts";
import { serviceNames, sourceOf } from "./support/code.ts";
import { containerOf, parseDocuments, workloadsOf } from "./support/documents.ts";
import { render } from "./support/render.ts";

const template = parseDocuments(sourceOf("k8s/secrets.template.yaml"));
const contents = template.map(({ metadata, ...secret }) => ({
  name: metadata.name,
  values: (secret as { stringData?: Readonly<Record<string, string>> }).stringData ?? {},
}));

describe("the template of the secrets", () => {
  it("is of Secrets, as Kubernetes takes them", () => {
    expect(template.map(({ kind }) => kind)).toEqual(template.map(() => "Secret"));
    expect(schemaFaults(template)).toEqual([]);
  });

  it("has every key that a pod of the largest composition expects, and no other", async () => {
    const documents = await render("high, pooled");
    const expected = workloadsOf(documents).flatMap((workload) => [
      ...(workload.spec.template.spec.volumes ?? []).flatMap(({ secret }) =>
        (secret?.items ?? []).map(({ key }) => `${secret?.secretName} ${key}`),
      ),
      ...(containerOf(workload).env ?? []).flatMap(({ valueFrom }) =>
        valueFrom?.secretKeyRef ? [`${valueFrom.secretKeyRef.name} ${valueFrom.secretKeyRef.key}`] : [],
      ),
    ]);
    const keys = contents.flatMap(({ name, values }) => Object.keys(values).map((key) => `${name} ${key}`));
    expect(keys.toSorted()).toEqual([...new Set(expected)].toSorted());
  });

  it("has no value in it", () => {
    for (const { values } of contents) {
      for (const [key, value] of Object.entries(values)) {
        expect([key, value.replace(/^[A-Z]+_(PASSWORD|ROUTES):\n/gm, "")]).toEqual([key, ""]);
      }
    }
  });

  it("has a password of NATS for each service, and the servers' own", () => {
    const nats = contents.find(({ name }) => name === "butler-nats")?.values;
    const names = [...(nats?.["passwords.conf"] ?? "").matchAll(/^([A-Z]+)_PASSWORD:/gm)].map(
      ([, name]) => name,
    );
    expect(names.toSorted()).toEqual(serviceNames.map((name) => name.toUpperCase()).toSorted());
    expect(nats?.["cluster.conf"]).toBe("CLUSTER_PASSWORD:\nCLUSTER_ROUTES:\n");
  });
});
