import { afterEach, describe, expect, it } from "@jest/globals";
import { Pulse } from "../../../services/common/liveness/pulse.ts";

const pulse = new Pulse();
afterEach(() => pulse.stop());

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe("Pulse", () => {
  const stalls: number[] = [];
  pulse.onStall((stalledMs) => stalls.push(stalledMs));

  it("tells of a stall once, how long it was, and before any timer when asked", async () => {
    pulse.start();
    standStill(1_700);
    pulse.check();
    expect(stalls).toHaveLength(1);
    expect(stalls[0]).toBeGreaterThanOrEqual(1_650);
    pulse.check();
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(stalls).toHaveLength(1);
  });

  it("tells of a stall also when nobody asks", async () => {
    stalls.length = 0;
    pulse.start();
    standStill(1_700);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(stalls).toHaveLength(1);
  });

  it("says nothing before it is started, and after it is stopped", () => {
    stalls.length = 0;
    pulse.stop();
    standStill(1_700);
    pulse.check();
    expect(stalls).toEqual([]);
  });
});
