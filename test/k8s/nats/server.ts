import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stopProcess } from "../../../scripts/development/processes.ts";
import { dataOf } from "../rules/shutdown.ts";
import { serviceNames } from "../support/code.ts";
import type { Document } from "../support/documents.ts";

export interface ConfiguredNats {
  /** Where clients connect: host and port. */
  readonly address: string;
  /** A user's connection string. */
  url(user: string): string;
  /** What the server has logged so far. */
  log(): string;
  readonly pid: number;
  /** Where its pid is written, as the manifest's hook reads it. */
  readonly pidFile: string;
  stop(): Promise<void>;
  /** At once, whatever it is at. */
  kill(): Promise<void>;
}

interface ConfiguredNatsOptions {
  /** Where it listens to the other servers, and where those do. */
  readonly cluster?: { readonly port: number; readonly others: readonly number[] };
  /** In place of the overlay's own. */
  readonly authorization?: string;
}

/** The users' passwords of this run; all servers have the same. */
const passwords = new Map(
  [...serviceNames, "cluster"].map((user) => [user, `${user}-${crypto.randomUUID()}`]),
);

/** A real nats-server with an overlay's own configuration, but for this machine's ports and folders. */
export async function startConfiguredNats(
  documents: readonly Document[],
  { cluster = { port: -1, others: [] }, authorization }: ConfiguredNatsOptions = {},
): Promise<ConfiguredNats> {
  const folder = await mkdtemp(join(tmpdir(), "butler-nats-"));
  await mkdir(join(folder, "nats"));
  await mkdir(join(folder, "nats-secret"));
  await writeFile(join(folder, "nats-secret", "passwords.conf"), passwordsText());
  await writeFile(join(folder, "nats-secret", "cluster.conf"), clusterText(cluster.others));
  for (const file of ["nats.conf", "authorization.conf", "cluster.conf"]) {
    await writeFile(join(folder, "nats", file), localised(dataOf(documents, file), folder, cluster.port));
  }
  if (authorization) await writeFile(join(folder, "nats", "authorization.conf"), authorization);
  const server = spawn(
    process.env.TEST_NATS_BINARY as string,
    ["--config", join(folder, "nats", "nats.conf"), "--addr", "127.0.0.1", "--port", "-1"],
    { env: { ...process.env, POD_NAME: `nats-${cluster.port}` }, stdio: ["ignore", "ignore", "pipe"] },
  );
  const exited = once(server, "exit");
  let log = "";
  server.stderr.setEncoding("utf8").on("data", (text: string) => {
    log += text;
  });
  const address = await new Promise<string>((resolve, reject) => {
    server.stderr.on("data", () => {
      const port = /Listening for client connections on 127\.0\.0\.1:(\d+)/.exec(log)?.[1];
      if (port && log.includes("Server is ready")) resolve(`127.0.0.1:${port}`);
    });
    server.once("exit", () => reject(new Error(`nats-server does not take the configuration:\n${log}`)));
  });
  return {
    address,
    url: (user) => `nats://${user}:${encodeURIComponent(passwords.get(user) ?? "")}@${address}`,
    log: () => log,
    pid: server.pid as number,
    pidFile: join(folder, "nats.pid"),
    stop: () => end(["SIGTERM", "SIGKILL"]),
    kill: () => end(["SIGKILL"]),
  };

  async function end(signals: readonly NodeJS.Signals[]): Promise<void> {
    const steps = signals.map((signal) => ({ signal, timeoutMs: 5_000 }));
    await stopProcess(server.pid as number, steps);
    await exited;
    await rm(folder, { recursive: true, force: true });
  }
}

// The secret's files, as docs/kubernetes.md tells to make them.

function passwordsText(): string {
  return serviceNames.map((user) => `${user.toUpperCase()}_PASSWORD: "${passwords.get(user)}"\n`).join("");
}

function clusterText(ports: readonly number[]): string {
  const password = passwords.get("cluster");
  const routes = ports.map((port) => `"nats://cluster:${password}@127.0.0.1:${port}"`);
  return `CLUSTER_PASSWORD: "${password}"\nCLUSTER_ROUTES: [${routes.join(", ")}]\n`;
}

/** On this machine: any free ports, loopback only, and a folder that can be written to. */
function localised(text: string, folder: string, clusterPort: number): string {
  return text
    .replace("/run/nats/nats.pid", join(folder, "nats.pid"))
    .replace("http_port: 8222", "http: 127.0.0.1:-1")
    .replace("port: 6222", `host: 127.0.0.1\n  port: ${clusterPort}`);
}
