import { readFile, writeFile } from "node:fs/promises";
import { BenchError } from "./errors.ts";
import type { ScaleFigures } from "./scale-figures.ts";
import { DEMAND, planOf } from "./scale-plan.ts";
import { demandText, presetsTable, restTable, serviceTable } from "./scale-plan-tables.ts";
import { costTable, holdingTable, limitTable, operationTable, originOf, scaleLine } from "./scale-tables.ts";

const FIGURES = new URL("scale-figures.json", import.meta.url);
const PAGE = new URL("../docs/scaling.md", import.meta.url);

/** The parts of docs/scaling.md that follow from the figures, by name: there, each lies between two comments. */
export function sectionsOf(figures: ScaleFigures): ReadonlyMap<string, string> {
  const plan = planOf(figures, DEMAND);
  const busy = planOf(figures, DEMAND, "busy");
  const keptClients = planOf(figures, { ...DEMAND, keepsClients: true });
  return new Map([
    [
      "replicas",
      [originOf(figures), costTable(figures), holdingTable(figures), `\`${scaleLine(figures)}\``].join(
        "\n\n",
      ),
    ],
    ["requests", operationTable(figures)],
    ["limits", limitTable(figures)],
    ["plan", [demandText(plan.demand), serviceTable(plan, busy), restTable(plan, keptClients)].join("\n\n")],
    ["presets", presetsTable(plan)],
  ]);
}

/** What is printed. */
export function scaleText(figures: ScaleFigures): string {
  return [...[...sectionsOf(figures).values()], scaleLine(figures)].join("\n\n");
}

/** The page with these sections in place of those that it has. @throws {BenchError} when it has no place for one. */
export function withSections(page: string, sections: ReadonlyMap<string, string>): string {
  let text = page;
  for (const [name, section] of sections) {
    const [start, end] = [`<!-- figures: ${name} -->\n`, "\n<!-- end -->"];
    const from = text.indexOf(start);
    const to = text.indexOf(end, from);
    if (from < 0 || to < 0) throw new BenchError(`docs/scaling.md has no place for the figures "${name}".`);
    text = text.slice(0, from + start.length) + section + text.slice(to);
  }
  return text;
}

/** The figures that the page shows. */
export async function readFigures(): Promise<ScaleFigures> {
  return JSON.parse(await readFile(FIGURES, "utf8")) as ScaleFigures;
}

/** Keeps the figures, and puts them into the page. */
export async function writeFigures(figures: ScaleFigures): Promise<void> {
  const page = withSections(await readFile(PAGE, "utf8"), sectionsOf(figures));
  await writeFile(FIGURES, `${JSON.stringify(figures, rounded, 2)}\n`);
  await writeFile(PAGE, page);
}

/** Digits beyond the sixth are noise. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
}
