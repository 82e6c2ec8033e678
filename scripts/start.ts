// `npm start`: the whole system on this machine. `npm start -- --help` says what it can do.
import { join } from "node:path";
import { webClient } from "./development/development-grant.ts";
import { apiUrlOf } from "./development/issuer-addresses.ts";
import { commandLine, isRunning, parentOf, portProblem } from "./development/processes.ts";
import { claimRun } from "./development/run-file.ts";
import { help, parseStartOptions } from "./development/start-options.ts";
import { type Started, type System, startSystem } from "./development/system.ts";

const root = join(import.meta.dirname, "..");
const environment = process.env;
const host = environment.SERVER_HOST || "127.0.0.1";
const port = Number(environment.SERVER_PORT || 3000);
const url = apiUrlOf(environment);
const npmCheckIntervalMs = 500;

// A terminal that was closed takes no more lines; the stop must go on nevertheless.
process.stdout.on("error", () => {});
process.stderr.on("error", () => {});

process.exit(
  await main().catch((error: Error) => {
    console.error(error.message);
    return 1;
  }),
);

async function main(): Promise<number> {
  const options = parseStartOptions(process.argv.slice(2));
  if (options.help) {
    console.log(help);
    return 0;
  }
  const stops = watchForStops();
  const run = await claimRun(join(root, ".data"), log);
  try {
    await checkPort();
    const system = startSystem({
      root,
      url,
      environment,
      replicas: options.replicas,
      log,
      onProcesses: (processes) => void run.update({ processes }),
    });
    stops.system = system;
    try {
      const outcome = await Promise.race([system.started, system.failed, stops.asked]);
      if (typeof outcome === "object") {
        await run.update({ ready: true, tokens: tokensOf(outcome) });
        announce(outcome);
      }
      const reason = await Promise.race([system.failed, stops.asked]);
      if (reason === "asked") log("stopping");
      else console.error(`start: ${reason}; stopping everything`);
      return reason === "asked" ? 0 : 1;
    } finally {
      await system.stop();
    }
  } finally {
    await run.release();
  }
}

/** Ctrl-C, SIGTERM, a closed terminal, or the death of the npm that runs this. The second time means: at once. */
function watchForStops(): { asked: Promise<"asked">; system?: System } {
  const { promise, resolve } = Promise.withResolvers<"asked">();
  const stops: { asked: Promise<"asked">; system?: System } = { asked: promise };
  let times = 0;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      times++;
      resolve("asked");
      if (times > 1) stops.system?.kill();
    });
  }
  if (environment.npm_lifecycle_event) void watchNpm(() => resolve("asked"));
  return stops;
}

/** npm passes signals on, but a killed npm cannot, and nobody would look after what it started. */
async function watchNpm(onDeath: () => void): Promise<void> {
  const shell = process.ppid;
  const isShell = /^\S*sh -c /.test(await commandLine(shell));
  const npm = (isShell ? await parentOf(shell) : undefined) ?? shell;
  setInterval(async () => {
    if (process.ppid !== shell || !(await isRunning(npm))) onDeath();
  }, npmCheckIntervalMs).unref();
}

async function checkPort(): Promise<void> {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Error(`SERVER_PORT must be a number from 1 to 65535, but is "${environment.SERVER_PORT}"`);
  }
  const problem = await portProblem(port, host);
  if (problem === "EADDRINUSE") {
    throw new Error(
      `Port ${port} on ${host} is taken: stop the program that uses it, or choose another, as in SERVER_PORT=${port + 1} npm start`,
    );
  }
  if (problem)
    throw new Error(`No server can listen on SERVER_HOST ${host}, SERVER_PORT ${port} (${problem})`);
}

function tokensOf({ issuer }: Started) {
  if (issuer !== undefined) return { endpoint: `${issuer}/token` };
  return { outside: environment.OIDC_ISSUER || environment.KEYCLOAK_SERVER || "" };
}

function announce({ issuer, postgresPort, metrics }: Started): void {
  const token = issuer === undefined ? "<access token>" : "$(npm run -s token -- alice)";
  const lines = [
    `Ready in ${(performance.now() / 1000).toFixed(1)} s.`,
    "",
    `  API       ${url}/v1/portfolios`,
    `  Docs      ${url}/docs`,
    `  Metrics   ${metrics.map(({ name, port: at }) => `${name} :${at}`).join(", ")} (path /metrics)`,
  ];
  if (postgresPort !== undefined) {
    lines.push(
      `  Database  127.0.0.1:${postgresPort}, database butler; user postgres, its password in a file beside the data`,
    );
  }
  if (issuer === undefined)
    lines.push(`  Tokens    from ${environment.OIDC_ISSUER || environment.KEYCLOAK_SERVER}`);
  else {
    lines.push(
      `  Tokens    npm run -s token -- alice [--role administrator]`,
      `            from ${issuer}, which gives one to anyone who asks: for development only`,
      `  Sign in   ${issuer}/.well-known/openid-configuration`,
      `            client ${webClient}, code with PKCE, any address of this machine to return to`,
    );
  }
  lines.push(
    "",
    "Try it:",
    `  curl -H "Authorization: Bearer ${token}" ${url}/v1/portfolios`,
    "",
    "Ctrl-C stops everything.",
  );
  console.log(`\n${lines.join("\n")}\n`);
}

function log(line: string): void {
  console.log(`start: ${line}`);
}
