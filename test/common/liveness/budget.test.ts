import { describe, expect, it } from "@jest/globals";
import { RepeatBudget } from "../../../services/common/liveness/budget.ts";

function spend(budget: RepeatBudget): number {
  let taken = 0;
  while (budget.take()) taken += 1;
  return taken;
}

describe("RepeatBudget", () => {
  it("lets a few calls be repeated before any were made", () => {
    expect(spend(new RepeatBudget())).toBe(100);
  });

  it("grows by a fifth of the calls, and no more than that can be repeated", () => {
    const budget = new RepeatBudget();
    spend(budget);
    for (let call = 0; call < 1_000; call += 1) budget.called();
    const taken = spend(budget);
    expect(taken).toBeGreaterThanOrEqual(199);
    expect(taken).toBeLessThanOrEqual(200);
  });

  it("keeps no more than a thousand", () => {
    const budget = new RepeatBudget();
    for (let call = 0; call < 100_000; call += 1) budget.called();
    expect(spend(budget)).toBe(1_000);
  });
});
