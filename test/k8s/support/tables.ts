import { type Capacity, capacityOf, poolOf } from "../rules/capacity.ts";
import { autoscalerOf } from "../rules/scaling.ts";
import { containerOf, type Document, servicesOf } from "./documents.ts";
import { render, VARIANTS } from "./render.ts";
import { settingsOf } from "./settings.ts";

// The tables of docs/kubernetes.md, made from what is rendered.

/** What each composition may need of PostgreSQL, and of PgBouncer. */
export async function capacityTable(): Promise<string> {
  const rows = await Promise.all(
    VARIANTS.map(async (variant) => {
      const { clients, servers, migrations, needed, stated, pooler } = capacityOf(await render(variant));
      return row(variant, clients, textOf({ servers, pooler }), migrations, needed, stated);
    }),
  );
  return [
    row(
      "overlay",
      "pools at most",
      "of them at PostgreSQL",
      "migrations",
      "together, and 10 %",
      "max_connections",
    ),
    row(...Array.from({ length: 6 }, () => "---")),
    ...rows,
  ].join("\n");
}

function textOf({ servers, pooler }: Pick<Capacity, "servers" | "pooler">): string {
  return pooler ? `${servers}, from PgBouncer (which takes ${pooler.stated})` : "all";
}

/** What the presets set. */
export async function presetTable(): Promise<string> {
  const rows = await Promise.all(
    (["low", "medium", "high, pooled"] as const).map(async (variant) => {
      const documents = await render(variant);
      return row(
        variant.replace(", pooled", ""),
        poolText(documents),
        replicasText(documents),
        resourcesText(documents),
      );
    }),
  );
  return [
    row("preset", "pool, most/least", "replicas, least–most", "per pod, requested/limit"),
    row(...Array.from({ length: 4 }, () => "---")),
    ...rows,
  ].join("\n");
}

function poolText(documents: readonly Document[]): string {
  const [service] = servicesOf(documents).filter((each) =>
    settingsOf(each, documents).has("DB_MIN_CONNECTIONS"),
  );
  if (!service) throw new Error("No service has a pool.");
  return `${poolOf(service, documents)}/${settingsOf(service, documents).get("DB_MIN_CONNECTIONS")}`;
}

function replicasText(documents: readonly Document[]): string {
  return servicesOf(documents)
    .map((service) => {
      const { minReplicas, maxReplicas } = autoscalerOf(service, documents)?.spec ?? {};
      return `${containerOf(service).args?.join()} ${minReplicas}–${maxReplicas}`;
    })
    .join(", ");
}

function resourcesText(documents: readonly Document[]): string {
  const texts = servicesOf(documents).map((service) => {
    const { requests = {}, limits = {} } = containerOf(service).resources ?? {};
    return `CPU ${requests.cpu}/${limits.cpu}, memory ${requests.memory}/${limits.memory}`;
  });
  const names = servicesOf(documents).map((service) => containerOf(service).args?.join());
  const usual = texts.toSorted(
    (one, other) =>
      texts.filter((text) => text === other).length - texts.filter((text) => text === one).length,
  )[0] as string;
  const others = names.filter((_, index) => texts[index] !== usual);
  if (others.length === 0) return usual;
  return `${usual}; ${others.join(", ")}: ${texts.find((text) => text !== usual)}`;
}

function row(...cells: readonly (string | number)[]): string {
  return cells.every((cell) => cell === "---") ? `|${cells.join("|")}|` : `| ${cells.join(" | ")} |`;
}
