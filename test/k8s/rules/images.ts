import { type Document, ofKind, titleOf, workloadsOf } from "../support/documents.ts";

const PLACEHOLDER_PART = /^(crypto-pocket-butler|pgbouncer|nats)$/;

/** Images are told by their digest or an exact version, each with its registry; and no document holds a secret. */
export function imageFaults(documents: readonly Document[]): string[] {
  const secrets = ofKind(documents, "Secret").map((document) => `${titleOf(document)} is in the repository`);
  return [
    ...secrets,
    ...workloadsOf(documents).flatMap((workload) =>
      workload.spec.template.spec.containers.flatMap(({ image, command }) => {
        if (PLACEHOLDER_PART.test(image)) return [`${titleOf(workload)}: no overlay says which ${image}`];
        const isOurs = workload.metadata.name.startsWith("butler-");
        const isByDigest = /@sha256:[0-9a-f]{64}$/.test(image);
        if (isOurs && !isByDigest) return [`${titleOf(workload)}: ${image} is not told by its digest`];
        if (!isByDigest && !/:\d+\.\d+\.\d+[\w.-]*$/.test(image))
          return [`${titleOf(workload)}: ${image} is no exact version`];
        // The image has no shell.
        return command?.some((word) => /^(\/bin\/)?(ba|da)?sh$/.test(word))
          ? [`${titleOf(workload)} needs a shell`]
          : [];
      }),
    ),
  ];
}
