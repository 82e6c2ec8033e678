/** `npm run chaos`: faults under load, and what became of each promise; `--help` says how. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { ChaosError } from "./errors.ts";
import type { Outcome } from "./judge.ts";
import { type ChaosOptions, readOptions } from "./options.ts";
import { detailsOf, lastLineOf, lineOf, tableOf } from "./report.ts";
import { Auditor, runFault } from "./run-fault.ts";
import { type Stage, startStage } from "./stage.ts";

const interruption = Promise.withResolvers<never>();
interruption.promise.catch(() => undefined);
let isInterrupted = false;

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // Not once: a second Ctrl-C must not leave servers behind.
  process.on(name, () => {
    isInterrupted = true;
    interruption.reject(new ChaosError("interrupted"));
  });
}

process.exit(await main());

async function main(): Promise<number> {
  try {
    const options = readOptions(process.argv.slice(2));
    if (typeof options !== "string") return await runAll(options);
    console.log(options);
    return 0;
  } catch (error) {
    if (isInterrupted) {
      console.error("chaos: interrupted; everything is stopped.");
      return 130;
    }
    console.error(error instanceof ChaosError ? `chaos: ${error.message}` : error);
    return 1;
  }
}

async function runAll(options: ChaosOptions): Promise<number> {
  const stops: (() => Promise<void>)[] = [];
  const folder = await mkdtemp(join(tmpdir(), "crypto-pocket-butler-chaos-"));
  // PostgreSQL may run as another user, who has to get through to its folder.
  await chmod(folder, 0o711);
  let isWell = false;
  try {
    const work = breakEverything(options, folder, (stop) => stops.push(stop));
    // Interrupted, what it meets while all is being stopped is nobody's concern.
    work.catch(() => undefined);
    isWell = await Promise.race([work, interruption.promise]);
  } finally {
    for (const stop of stops.reverse()) await stop().catch((error) => console.error(error));
    if (isInterrupted || (isWell && !options.keepsLogs)) await rm(folder, { recursive: true, force: true });
    else tell(`Logs: ${join(folder, "logs")}`);
  }
  return isWell ? 0 : 1;
}

async function breakEverything(
  options: ChaosOptions,
  folder: string,
  keep: (stop: () => Promise<void>) => void,
): Promise<boolean> {
  const startedAt = performance.now();
  tell("Starting PostgreSQL, nats-server, the proxies and all services");
  const stage = await startStage({
    folder,
    environment: process.env,
    replicas: options.replicas,
    clients: options.clients,
    log: tell,
    keep,
  });
  const auditor = new Auditor(stage);
  const outcomes: Outcome[] = [];
  for (const [index, fault] of options.faults.entries()) {
    tell(`[${index + 1}/${options.faults.length}] ${fault.name}: ${fault.title}`);
    const outcome = await runFault(fault, stage, auditor, options);
    outcomes.push(outcome);
    tell(lineOf(outcome));
  }
  const atTheEnd = await auditOverHttp(stage);
  const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
  const details = detailsOf(outcomes);
  console.log(
    [
      `Machine: ${cpus().length} cores (${cpus()[0]?.model.trim() || process.arch}), Node ${process.versions.node}; ` +
        `${options.rate} requests/s, ${minutes} minutes`,
      "",
      tableOf(outcomes),
      ...(details === undefined ? [] : ["", details]),
      ...(atTheEnd.length === 0 ? [] : ["", "Not shown over HTTP at the end:", ...atTheEnd.slice(0, 10)]),
      "",
      lastLineOf(outcomes, atTheEnd),
    ].join("\n"),
  );
  return atTheEnd.length === 0 && outcomes.every(({ broken }) => broken.length === 0);
}

async function auditOverHttp({ load }: Stage): Promise<readonly string[]> {
  tell("Reading everything back over HTTP");
  return load.call("auditOverHttp");
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}
