import {
  type AutoscalerSpec,
  type DisruptionBudgetSpec,
  type Document,
  ofKind,
  selects,
  titleOf,
  type Workload,
  workloadsOf,
} from "../support/documents.ts";

/** The autoscaler of a workload, if it has one. */
export function autoscalerOf(
  workload: Workload,
  documents: readonly Document[],
): Document<AutoscalerSpec> | undefined {
  return ofKind<AutoscalerSpec>(documents, "HorizontalPodAutoscaler").find(
    ({ spec: { scaleTargetRef } }) =>
      scaleTargetRef.kind === workload.kind && scaleTargetRef.name === workload.metadata.name,
  );
}

/** Replicas are the autoscaler's or the manifest's, never both; and a disruption leaves some, but is possible. */
export function scalingFaults(documents: readonly Document[]): string[] {
  const workloads = workloadsOf(documents).filter(({ kind }) => kind !== "Job");
  return workloads.flatMap((workload) => {
    const autoscaler = autoscalerOf(workload, documents)?.spec;
    const budget = ofKind<DisruptionBudgetSpec>(documents, "PodDisruptionBudget").find(({ spec }) =>
      selects(spec.selector, workload.spec.template.metadata.labels),
    )?.spec;
    const least = autoscaler?.minReplicas ?? workload.spec.replicas ?? 1;
    const { rollingUpdate } = workload.spec.strategy ?? {};
    const faults: [wrong: boolean, fault: string][] = [
      [
        Boolean(autoscaler) === (workload.spec.replicas !== undefined),
        "has two that set its replicas, or none",
      ],
      [
        autoscaler !== undefined && autoscaler.minReplicas > autoscaler.maxReplicas,
        "scales from more to fewer",
      ],
      [least > 1 && !budget, "has several replicas and no disruption budget"],
      [
        budget?.minAvailable !== undefined && budget.minAvailable >= least,
        "has a budget that allows no drain",
      ],
      [
        budget !== undefined && budget.minAvailable === undefined && budget.maxUnavailable !== 1,
        "has a budget that protects nothing, or allows nothing",
      ],
      [
        workload.kind === "Deployment" &&
          !(rollingUpdate?.maxUnavailable === 0 && rollingUpdate.maxSurge === 1),
        "takes away an old pod before a new one is ready, or has no limit of new ones",
      ],
    ];
    return faults.filter(([wrong]) => wrong).map(([, fault]) => `${titleOf(workload)} ${fault}`);
  });
}
