"""Makes kubernetes.jsonl: strict JSON schemas of the kinds that k8s/ uses, one a line. To change the versions:

    python3 -m venv /tmp/schemas
    /tmp/schemas/bin/pip install --no-deps kubernetes-validate==1.37.0
    /tmp/schemas/bin/pip install cloudcoil-models-prometheus-operator==0.80.1.0
    /tmp/schemas/bin/python test/k8s/support/schemas/make.py

Kubernetes' own come from its OpenAPI document as kubernetes-validate (Apache-2.0) packs it, and the Prometheus operator's
from the models that cloudcoil (Apache-2.0) makes of its CRDs. The version is the oldest Kubernetes that k8s/ is meant
for: what is valid there stays so, because its stable APIs lose no fields.
"""

import importlib.util
import json
import pathlib

from cloudcoil.models.prometheus_operator import v1 as prometheus

VERSION = "1.31.0"
KINDS = {
    "v1/ConfigMap": "io.k8s.api.core.v1.ConfigMap",
    "v1/Namespace": "io.k8s.api.core.v1.Namespace",
    "v1/Secret": "io.k8s.api.core.v1.Secret",
    "v1/Service": "io.k8s.api.core.v1.Service",
    "v1/ServiceAccount": "io.k8s.api.core.v1.ServiceAccount",
    "apps/v1/Deployment": "io.k8s.api.apps.v1.Deployment",
    "apps/v1/StatefulSet": "io.k8s.api.apps.v1.StatefulSet",
    "autoscaling/v2/HorizontalPodAutoscaler": "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
    "batch/v1/Job": "io.k8s.api.batch.v1.Job",
    "networking.k8s.io/v1/NetworkPolicy": "io.k8s.api.networking.v1.NetworkPolicy",
    "policy/v1/PodDisruptionBudget": "io.k8s.api.policy.v1.PodDisruptionBudget",
}
OWN = {
    "monitoring.coreos.com/v1/PrometheusRule": prometheus.PrometheusRule,
    "monitoring.coreos.com/v1/ServiceMonitor": prometheus.ServiceMonitor,
}
NEVER_WRITTEN = {"status", "managedFields"}


def kubernetes_definitions():
    found = importlib.util.find_spec("kubernetes_validate")
    folder = pathlib.Path(found.submodule_search_locations[0])
    path = folder / "kubernetes-json-schema" / f"v{VERSION}-local-strict" / "_definitions.json"
    return json.loads(path.read_text())["$defs"]


def trimmed(schema, prefix=""):
    """Without texts and defaults, strict, and with references into this one file."""
    if isinstance(schema, list):
        return [trimmed(each, prefix) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, value in schema.items():
        if key in ("description", "title", "default", "$schema", "$id", "$defs"):
            continue
        if key.startswith("x-"):
            continue
        # JavaScript's patterns have no such flag.
        if key == "pattern" and "(?i)" in value:
            continue
        if key == "$ref":
            kept[key] = "#/$defs/" + prefix + value.split("/")[-1]
        elif key == "properties":
            kept[key] = {
                name: trimmed(each, prefix)
                for name, each in value.items()
                if name not in NEVER_WRITTEN
            }
            kept["additionalProperties"] = False
        else:
            kept[key] = trimmed(value, prefix)
    return kept


def references(schema):
    if isinstance(schema, list):
        for each in schema:
            yield from references(each)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref":
                yield value.split("/")[-1]
            else:
                yield from references(value)


def main():
    source = {name: trimmed(schema) for name, schema in kubernetes_definitions().items()}
    kinds = {kind: {"$ref": f"#/$defs/{name}"} for kind, name in KINDS.items()}
    for kind, model in OWN.items():
        schema = model.model_json_schema(by_alias=True)
        prefix = model.__name__ + "."
        for name, each in schema["$defs"].items():
            source[prefix + name] = trimmed(each, prefix)
        source[prefix + "root"] = trimmed(schema, prefix)
        kinds[kind] = {"$ref": f"#/$defs/{prefix}root"}
    needed, waiting = {}, [name for each in kinds.values() for name in references(each)]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = source[name]
            waiting.extend(references(source[name]))
    lines = [{"kubernetes": VERSION, "kinds": kinds}]
    lines += [{"name": name, "schema": schema} for name, schema in sorted(needed.items())]
    target = pathlib.Path(__file__).with_name("kubernetes.jsonl")
    target.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))


main()
