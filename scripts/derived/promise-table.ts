import type { Fault, FaultPromise } from "../../chaos/fault.ts";

/** What is promised of each fault, as the table in docs/reliability.md. */
export function promiseTable(faults: readonly Fault[]): string {
  const rows = faults.map(({ name, title, promise }) => `| \`${name}\` | ${title} | ${wordsOf(promise)} |`);
  return ["| name | what happens | what holds |", "|---|---|---|", ...rows].join("\n");
}

function wordsOf(promise: FaultPromise): string {
  const { goodAfterMs, from, neverFails, toldWithinMs, mayCut, mayBeDoneLate } = promise;
  if (neverFails === "anything") return "no request fails";
  const moment = from === "begin" ? "its begin" : "its end";
  const after = goodAfterMs === 0 ? `${moment}` : `${seconds(goodAfterMs)} after ${moment}`;
  return [
    `no request fails that was sent later than ${after}`,
    ...(neverFails === "reads" ? ["no read fails"] : []),
    ...(toldWithinMs === undefined ? [] : [`a failure is told within ${seconds(toldWithinMs)}`]),
    ...(mayCut ? ["connections may be cut"] : []),
    ...(mayBeDoneLate ? ["what was refused may be done afterwards"] : []),
  ].join("; ");
}

function seconds(milliseconds: number): string {
  return `${milliseconds / 1000} s`;
}
