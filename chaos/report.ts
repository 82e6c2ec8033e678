import type { Outcome } from "./judge.ts";

const HEAD = [
  "fault",
  "sent",
  "failed",
  "late",
  "back s",
  "told ms",
  "P99 ms",
  "lost",
  "doubled",
  "",
] as const;

/** The table of all faults; a line each. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const rows = [[...HEAD], ...outcomes.map(cellsOf)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 || column === HEAD.length - 1
            ? cell.padEnd(widths[column] as number)
            : cell.padStart(widths[column] as number),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function cellsOf(outcome: Outcome): string[] {
  const { title, sent, failed, late, recoveredMs, slowestFailureMs, okP99Ms, lost, doubled } = outcome;
  return [
    title,
    String(sent),
    String(failed),
    String(late),
    (recoveredMs / 1000).toFixed(1),
    failed === 0 ? "–" : String(Math.round(slowestFailureMs)),
    String(Math.round(okP99Ms)),
    String(lost),
    String(doubled),
    outcome.broken.length === 0 ? "held" : "BROKEN",
  ];
}

/** A fault's line as it comes. */
export function lineOf(outcome: Outcome): string {
  const { sent, failed, late, recoveredMs, slowestFailureMs, okP99Ms, lost, doubled, broken, notes } =
    outcome;
  const figures = [
    `${sent} sent`,
    `${failed} failed`,
    `${late} late`,
    `back after ${(recoveredMs / 1000).toFixed(1)} s`,
    `told within ${Math.round(slowestFailureMs)} ms`,
    `P99 ${Math.round(okP99Ms)} ms`,
    `${lost} lost`,
    `${doubled} doubled`,
  ];
  return [
    `  ${broken.length === 0 ? "held" : "BROKEN"}: ${figures.join(", ")}`,
    ...notes.map((note) => `    ${note}`),
    ...broken.map((what) => `    broken: ${what}`),
  ].join("\n");
}

/** What was noted and what was broken, fault by fault. */
export function detailsOf(outcomes: readonly Outcome[]): string | undefined {
  const lines = outcomes.flatMap(({ title, notes, broken }) => {
    const details = [...notes, ...broken.map((what) => `broken: ${what}`)];
    return details.length === 0 ? [] : [`${title}:`, ...details.map((detail) => `  ${detail}`)];
  });
  return lines.length === 0 ? undefined : lines.join("\n");
}

export function lastLineOf(outcomes: readonly Outcome[], atTheEnd: readonly string[]): string {
  const sum = (of: (outcome: Outcome) => number) =>
    outcomes.reduce((total, outcome) => total + of(outcome), 0);
  return (
    `chaos: faults=${outcomes.length} lost=${sum(({ lost }) => lost) + atTheEnd.length} ` +
    `doubled=${sum(({ doubled }) => doubled)} rolling_failed=${sum(({ rollingFailed }) => rollingFailed)} ` +
    `unrecovered=${sum(({ isUnrecovered }) => Number(isUnrecovered))}`
  );
}
