import { containerOf, type Document, ofKind, type Workload } from "./documents.ts";

/** Where a container finds a variable. */
export interface Given {
  /** The variable's name, without `_FILE`. */
  readonly name: string;
  readonly value: string | undefined;
  /** The key of a Secret that it comes from. */
  readonly secret: { readonly name: string; readonly key: string; readonly optional: boolean } | undefined;
}

/** All variables of a workload's container, in the order in which later ones win. */
export function givenTo(workload: Workload, documents: readonly Document[]): Given[] {
  const { envFrom = [], env = [] } = containerOf(workload);
  const fromMaps = envFrom.flatMap(({ configMapRef }) => {
    const map = ofKind(documents, "ConfigMap").find(({ metadata }) => metadata.name === configMapRef?.name);
    return Object.entries(map?.data ?? {}).map(([name, value]) => ({ name, value, secret: undefined }));
  });
  const own = env.map(({ name, value, valueFrom }): Given => {
    const { secretKeyRef } = valueFrom ?? {};
    if (secretKeyRef) return { name, value: undefined, secret: { optional: false, ...secretKeyRef } };
    const file = value === undefined ? undefined : secretFile(workload, value);
    return file
      ? { name: name.replace(/_FILE$/, ""), value: undefined, secret: file }
      : { name, value, secret: undefined };
  });
  return [...fromMaps, ...own];
}

/** The key of a Secret that is mounted as this file. */
function secretFile(workload: Workload, path: string): Given["secret"] {
  const { volumes = [] } = workload.spec.template.spec;
  for (const { name, mountPath } of containerOf(workload).volumeMounts ?? []) {
    const secret = volumes.find((volume) => volume.name === name)?.secret;
    const item = secret?.items?.find((each) => `${mountPath}/${each.path}` === path);
    if (secret && item) return { name: secret.secretName, key: item.key, optional: false };
  }
  return undefined;
}

/** The plain settings of a workload's container: what is not from a Secret. */
export function settingsOf(workload: Workload, documents: readonly Document[]): ReadonlyMap<string, string> {
  return new Map(
    givenTo(workload, documents).flatMap(({ name, value, secret }) =>
      secret || value === undefined ? [] : [[name, value] as const],
    ),
  );
}
