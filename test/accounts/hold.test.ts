import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "@jest/globals";
import { GivenUp, type HoldOptions, TimedOut, whileHeld } from "../../services/accounts/sync/hold.ts";

const LEASE_SECONDS = 0.2;

function held<Result>(changes: Partial<HoldOptions>, work: (signal: AbortSignal) => Promise<Result>) {
  const options = {
    since: performance.now(),
    renew: async () => true,
    signal: new AbortController().signal,
    timeoutSeconds: 10,
    leaseSeconds: LEASE_SECONDS,
  };
  return whileHeld({ ...options, ...changes }, work);
}

const forever = () => new Promise<never>(() => undefined);

describe("whileHeld", () => {
  it("answers what the work answers, renewing as long as that takes", async () => {
    let renewals = 0;
    const renew = async () => {
      renewals += 1;
      return true;
    };
    const work = async (signal: AbortSignal) => {
      await wait(3 * LEASE_SECONDS * 1000);
      return signal.aborted;
    };
    expect(await held({ renew }, work)).toBe(false);
    expect(renewals).toBeGreaterThan(2);
    await wait(LEASE_SECONDS * 1000);
    const after = renewals;
    await wait(LEASE_SECONDS * 1000);
    expect(renewals).toBe(after);
  });

  it.each<[string, Partial<HoldOptions>, string]>([
    ["another has the account", { renew: async () => false }, "lost"],
    ["the database answers nothing until the lease is over", { renew: forever }, "lost"],
    [
      "the database answers errors until the lease is over",
      { renew: () => Promise.reject(new Error()) },
      "lost",
    ],
    ["the process was frozen beyond the lease", { since: performance.now() - 60_000 }, "lost"],
    ["the process ends", { signal: AbortSignal.timeout(20) }, "ended"],
    ["the process had ended before", { signal: AbortSignal.abort() }, "ended"],
  ])("gives up when %s, and tells the work", async (_, changes, loss) => {
    let told: unknown;
    const outcome = held(changes, (signal) => {
      signal.addEventListener("abort", () => (told = signal.reason));
      return forever();
    });
    await expect(outcome).rejects.toMatchObject({ loss });
    if (!changes.signal?.aborted) expect(told).toBeInstanceOf(GivenUp);
  });

  it("gives up work that takes too long, even if it does not listen", async () => {
    await expect(held({ timeoutSeconds: 0.05 }, forever)).rejects.toBeInstanceOf(TimedOut);
  });

  it("hands on what the work throws", async () => {
    const fault = new Error("no");
    await expect(held({}, () => Promise.reject(fault))).rejects.toBe(fault);
  });
});
