import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { type Document, titleOf } from "../support/documents.ts";

const FILE = new URL("../support/schemas/kubernetes.jsonl", import.meta.url);
/** RFC 1123: what names of objects are made of. */
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

const [head = "", ...definitions] = readFileSync(FILE, "utf8").trim().split("\n");
const { kinds } = JSON.parse(head) as { kinds: Readonly<Record<string, { $ref: string }>> };
const named = definitions.map((line) => JSON.parse(line) as { name: string; schema: object });
const $defs = Object.fromEntries(named.map(({ name, schema }) => [name, schema]));
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
ajv.addSchema({ $id: "kubernetes", $defs });
const validators = new Map(
  Object.entries(kinds).map(([kind, { $ref }]) => [kind, ajv.compile({ $ref: `kubernetes${$ref}` })]),
);

/** Every document is one that Kubernetes (or the Prometheus operator) knows, with no member that it does not know. */
export function schemaFaults(documents: readonly Document[]): string[] {
  const faults = documents.flatMap((document) => {
    const { apiVersion, kind, metadata } = document;
    const validate = validators.get(`${apiVersion}/${kind}`);
    if (!validate) return [`${titleOf(document)}: there is no schema of ${apiVersion}/${kind}`];
    const errors = validate(document) ? [] : (validate.errors ?? []);
    return [
      ...(NAME.test(metadata.name) ? [] : [`${titleOf(document)}: that is no name`]),
      ...errors.map(
        ({ instancePath, message, params }) =>
          `${titleOf(document)}${instancePath} ${message} ${JSON.stringify(params)}`,
      ),
    ];
  });
  const ids = documents.map(({ apiVersion, kind, metadata }) =>
    [apiVersion, kind, metadata.namespace, metadata.name].join(" "),
  );
  const repeated = ids.filter((id, index) => ids.indexOf(id) !== index);
  return [...faults, ...repeated.map((id) => `${id} is there twice`)];
}
