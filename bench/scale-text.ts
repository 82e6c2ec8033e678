import type { Machine } from "./stage.ts";

/** A line of a Markdown table. */
export function row(...cells: readonly (string | number)[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** A Markdown table. */
export function tableOf(head: readonly string[], rows: readonly string[]): string {
  return [row(...head), `|${head.map(() => "---").join("|")}|`, ...rows].join("\n");
}

/** A whole number, thousands apart from four digits on as English writes them. */
export function whole(value: number): string {
  const rounded = Math.round(value);
  return Number.isNaN(value)
    ? "n/a"
    : Math.abs(rounded) < 10_000
      ? String(rounded)
      : rounded.toLocaleString("en");
}

/** What kind of machine it is. */
export function machineText({ cores, node, postgresql, nats }: Machine): string {
  const words = ["no", "one", "two", "three", "four"];
  return `${words[cores] ?? cores} shared cores (Node ${node}, PostgreSQL ${postgresql}, nats-server ${nats})`;
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
