// `npm run demo`: fills one user of the running system with examples. `npm run demo -- --help` says what.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { apiOf } from "./demo/api.ts";
import { openDevelopmentDatabase } from "./demo/development-database.ts";
import { type Filled, fill } from "./demo/fill.ts";
import { historyOf } from "./demo/history.ts";
import { help, parseDemoOptions } from "./demo/options.ts";
import { report, type Told } from "./demo/report.ts";
import { writeHistory } from "./demo/write-history.ts";
import { apiUrlOf } from "./development/issuer-addresses.ts";
import { currentRun } from "./development/run-file.ts";

const url = apiUrlOf(process.env);

try {
  console.log(await main());
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

async function main(): Promise<string> {
  const options = parseDemoOptions(process.argv.slice(2));
  if (options.help) return help;
  const { username, days } = options;
  const filled = await fill(apiOf(url, await tokenOf(username)));
  return report({ ...filled, url, username, history: await historyFor(filled, days) });
}

/** The script that prints tokens also says why there is none, when there is none. */
async function tokenOf(username: string): Promise<string> {
  const script = join(import.meta.dirname, "token.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [script, "--", username]).catch(
    (error: Error & { stderr?: string }) => {
      throw new Error(error.stderr?.trim() || error.message);
    },
  );
  return stdout.trim();
}

async function historyFor(
  { userId, portfolioName, holdings }: Filled,
  days: number,
): Promise<Told["history"]> {
  const run = await currentRun(join(import.meta.dirname, "..", ".data"));
  const database = run && (await openDevelopmentDatabase(run));
  if (!database) {
    return { missing: "it is written into the embedded database only, and the system uses another one" };
  }
  try {
    const drafts = historyOf({ userId, portfolioName, holdings, days, now: Date.now() });
    return { days, written: await writeHistory(database.query, drafts) };
  } finally {
    await database.close();
  }
}
