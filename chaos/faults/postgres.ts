import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Course, Fault, FaultPromise } from "../fault.ts";
import type { Manner } from "../proxies.ts";
import { WITH_DATABASE } from "../stage.ts";

const DOWN_MS = 3_000;
const SILENCE_MS = 5_000;
const BACK_WITHIN_MS = 2_000;
/** Two seconds without a byte, and then all who wait are told. */
const TOLD_WITHIN_MS = 3_000;
const LATENCY_MS = 10;
const BYTES_PER_SECOND = 128_000;
/** More than the server takes. */
const HOGGED_MAX = 300;

const gone = { goodAfterMs: BACK_WITHIN_MS, from: "end", toldWithinMs: TOLD_WITHIN_MS } as const;

const TERMINATE_ALL = `
  select pg_terminate_backend(pid) from pg_stat_activity
  where application_name = any('{${WITH_DATABASE.join(",")}}')`;

function fault(
  name: string,
  title: string,
  promise: FaultPromise,
  happen: (course: Course) => Promise<void>,
): Fault {
  return {
    name: `postgres-${name}`,
    title,
    promise,
    async run(course) {
      course.begin();
      await happen(course);
      if (promise.from === "end") course.end();
    },
  };
}

function restart(name: string, title: string, signal: "SIGINT" | "SIGQUIT"): Fault {
  return fault(name, title, gone, async ({ stage: { postgres } }) => {
    await postgres.end(signal);
    await sleep(DOWN_MS);
    await postgres.start();
  });
}

function behind(
  name: string,
  title: string,
  manner: Manner,
  promise: Omit<FaultPromise, "from"> = gone,
): Fault {
  return fault(name, title, { ...promise, from: "end" }, async ({ stage: { proxies } }) => {
    await proxies.take("postgres", manner);
    await sleep(SILENCE_MS);
    await proxies.take("postgres", { kind: "forward" });
  });
}

/** Others take every connection that the server has; those of the services are terminated meanwhile. */
async function hog(course: Course): Promise<void> {
  const { postgres, databaseUrl } = course.stage;
  await postgres.query("drop role if exists hog");
  await postgres.query("create role hog login password 'hog'");
  await postgres.query("grant connect on database butler to hog");
  const url = Object.assign(new URL(databaseUrl), { username: "hog", password: "hog" }).href;
  // Had before there is none left.
  const admin = await connected(databaseUrl);
  const clients: pg.Client[] = [];
  const end = performance.now() + DOWN_MS;
  while (performance.now() < end && clients.length < HOGGED_MAX) {
    const client = await connected(url).catch(() => undefined);
    if (client) clients.push(client);
    else await admin.query(TERMINATE_ALL);
  }
  course.note(`${clients.length} connections were taken`);
  await Promise.all([admin, ...clients].map((client) => client.end()));
  await postgres.query("drop owned by hog");
}

async function connected(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, application_name: "chaos" });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

async function setReadOnly({ stage: { postgres } }: Course, value: "on" | "off"): Promise<void> {
  await postgres.query(`alter system set default_transaction_read_only = ${value}`);
  await postgres.query("select pg_reload_conf()");
}

export const terminated = fault(
  "terminate",
  "all sessions terminated, three times",
  gone,
  async ({ stage }) => {
    for (let count = 0; count < 3; count += 1) {
      await stage.postgres.query(TERMINATE_ALL);
      await sleep(200);
    }
  },
);

export const postgresFaults: readonly Fault[] = [
  restart("restart", `PostgreSQL restarted in order, gone for ${DOWN_MS / 1000} s`, "SIGINT"),
  restart("crash", `PostgreSQL crashed, gone for ${DOWN_MS / 1000} s`, "SIGQUIT"),
  terminated,
  fault("freeze", `PostgreSQL frozen for ${SILENCE_MS / 1000} s`, gone, async ({ stage: { postgres } }) => {
    await postgres.freeze();
    await sleep(SILENCE_MS);
    postgres.thaw();
  }),
  behind("silent", `PostgreSQL behind a black hole for ${SILENCE_MS / 1000} s`, { kind: "silent" }),
  behind("refuse", `PostgreSQL refuses connections for ${SILENCE_MS / 1000} s`, { kind: "refuse" }),
  fault(
    "half-open",
    "all connections to PostgreSQL half-open",
    { goodAfterMs: 4_000, from: "begin", toldWithinMs: TOLD_WITHIN_MS },
    async ({ stage: { proxies } }) => {
      await proxies.take("postgres", { kind: "half-open" });
      await sleep(SILENCE_MS);
      await proxies.take("postgres", { kind: "end swallowed" });
    },
  ),
  fault(
    "reset",
    "all connections to PostgreSQL reset",
    { goodAfterMs: BACK_WITHIN_MS, from: "begin", toldWithinMs: TOLD_WITHIN_MS },
    ({ stage: { proxies } }) => proxies.take("postgres", { kind: "reset" }),
  ),
  fault(
    "read-only",
    `PostgreSQL takes no writes for ${DOWN_MS / 1000} s`,
    { ...gone, neverFails: "reads" },
    async (course) => {
      await setReadOnly(course, "on");
      await sleep(DOWN_MS);
      await setReadOnly(course, "off");
    },
  ),
  fault("full", `PostgreSQL out of connections for ${DOWN_MS / 1000} s`, gone, hog),
  behind(
    "latency",
    `${LATENCY_MS} ms each way to PostgreSQL for ${SILENCE_MS / 1000} s`,
    { kind: "latency", milliseconds: LATENCY_MS },
    { goodAfterMs: 0, neverFails: "anything" },
  ),
  behind(
    "slow",
    `${BYTES_PER_SECOND / 1000} kB/s to PostgreSQL per connection for ${SILENCE_MS / 1000} s`,
    { kind: "slow", bytesPerSecond: BYTES_PER_SECOND },
    { goodAfterMs: BACK_WITHIN_MS },
  ),
];
