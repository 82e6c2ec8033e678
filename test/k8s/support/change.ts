import { type Document, titleOf } from "./documents.ts";

/** A member of a document: `spec.template.spec.containers.0.image`. */
export interface Change {
  /** `Deployment butler-auth`; a ConfigMap without the hash in its name. */
  readonly of: string;
  readonly path: string;
  /** What it becomes; nothing: it is removed. A function is given what it was. */
  readonly to?: unknown;
}

/** Changes a member of a rendered document. @throws when there is nothing to change. */
export function change(documents: readonly Document[], { of, path, to }: Change): void {
  const document = documents.find(
    (each) => titleOf(each).replace(/^(ConfigMap .*)-[a-z0-9]{10}$/, "$1") === of,
  );
  if (!document) throw new Error(`There is no ${of}.`);
  const keys = path.split(/(?<!\\)\./).map((key) => key.replaceAll("\\.", "."));
  const last = keys.pop() as string;
  const parent = keys.reduce<unknown>(
    (value, key) => (value as Record<string, unknown>)[key],
    document,
  ) as Record<string, unknown>;
  const value = typeof to === "function" ? (to as (was: unknown) => unknown)(parent[last]) : to;
  if (JSON.stringify(value) === JSON.stringify(parent[last])) throw new Error(`${path} is ${value} already.`);
  if (value === undefined) delete parent[last];
  else parent[last] = value;
}
