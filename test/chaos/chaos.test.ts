import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "@jest/globals";

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL("../../chaos/main.ts", import.meta.url));
/** Beside the promised times, for a machine that is busy with other tests. */
const ROOM_MS = 3_000;

async function chaos(...options: readonly string[]) {
  // Not the settings of this test run.
  const env = { PATH: process.env.PATH, HOME: process.env.HOME };
  return run(process.execPath, [MAIN, ...options], { env, maxBuffer: 10_000_000 }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}

describe("npm run chaos", () => {
  it("--short finds every promise held", async () => {
    const { code, stdout, stderr } = await chaos("--short", "--room", String(ROOM_MS));
    // What it found is in its output; without, nobody could tell why this failed.
    expect({ code, broken: `${stdout}${stderr}`.match(/broken: .*/g) }).toEqual({ code: 0, broken: null });
    expect(stdout.trimEnd().split("\n").at(-1)).toBe(
      "chaos: faults=4 lost=0 doubled=0 rolling_failed=0 unrecovered=0",
    );
  }, 300_000);

  it("--list names the faults that --only takes", async () => {
    const { stdout } = await chaos("--list");
    const names = stdout.split("\n").map((line) => line.split(" ")[0]);
    for (const name of [
      "kill-portfolios",
      "freeze-auth",
      "rolling",
      "nats-silent-1s",
      "postgres-full",
      "soak",
    ]) {
      expect(names).toContain(name);
    }
  });

  it.each([
    [["--only", "nothing"], 'there is no fault "nothing"'],
    [["--rate", "0"], "--rate must be a whole number from 1 to 20000"],
    [["--fast"], "Unknown option '--fast'"],
  ])("refuses %j with a message", async (options, message) => {
    const { code, stderr } = await chaos(...options);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });
});
