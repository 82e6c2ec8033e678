import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { migrate } from "../../services/common/database/migrate.ts";
import { migrationsOf, newNamespace, openTeller } from "../../test/common/events/story.ts";
import { ChaosError } from "../errors.ts";
import type { Course, Fault } from "../fault.ts";

const SCRIPT = fileURLToPath(new URL("../../test/common/events/story-process.ts", import.meta.url));
const ROLES = ["teller", "teller", "listener", "listener"] as const;
type Role = (typeof ROLES)[number];
const AGGREGATES = 100;
/** Stored in one transaction. */
const AT_ONCE = 10;
const DATABASE = "story";
const START_TIMEOUT_MS = 30_000;
/** While relays and hearers are killed, it is slow; stopped it has when for so long nothing more was heard. */
const STOPPED_AFTER_MS = 30_000;
const LOOK_MS = 500;

/** The ground on which relays and hearers of their own stand: `services/common/events` without the rest. */
async function openGround({ stage }: Course) {
  const { adminUrl } = stage.postgres;
  const url = Object.assign(new URL(adminUrl), { pathname: `/${DATABASE}` }).href;
  await stage.postgres.query(`drop database if exists ${DATABASE} with (force)`);
  await stage.postgres.query(`create database ${DATABASE}`);
  for (const [service, migrations] of Object.entries(migrationsOf)) {
    await migrate({ service, url, migrations, log: { info: () => undefined } });
  }
  const client = new pg.Client({ connectionString: url, application_name: "chaos events" });
  // A fault may cut it; what needs it says so.
  client.on("error", () => undefined);
  await client.connect();
  await client.query(
    "create table listeners.effects (position bigint generated always as identity, aggregate text, number int)",
  );
  const namespace = newNamespace();
  return {
    url,
    client,
    async process(role: Role): Promise<ChildProcess> {
      const options = ["--disable-warning=ExperimentalWarning", SCRIPT, role, url, stage.nats.url, namespace];
      const child = spawn(process.execPath, options, { stdio: ["ignore", "pipe", "inherit"] });
      const failed = once(child, "exit").then(() => {
        throw new ChaosError(`a ${role} ended before it was ready`);
      });
      failed.catch(() => undefined);
      const signal = AbortSignal.timeout(START_TIMEOUT_MS);
      await Promise.race([
        once(child.stdout as NonNullable<typeof child.stdout>, "data", { signal }),
        failed,
      ]);
      return child;
    },
  };
}

type Ground = Awaited<ReturnType<typeof openGround>>;

async function killAtRandom({ process: start }: Ground, replicas: ChildProcess[], isOver: () => boolean) {
  let kills = 0;
  while (!isOver()) {
    await sleep(300 + 700 * Math.random());
    const victim = Math.floor(Math.random() * replicas.length);
    replicas[victim]?.kill("SIGKILL");
    kills += 1;
    replicas[victim] = await start(ROLES[victim] as Role);
  }
  return kills;
}

async function untilHeard({ client }: Ground): Promise<void> {
  let before = Number.POSITIVE_INFINITY;
  let fellAt = performance.now();
  while (performance.now() < fellAt + STOPPED_AFTER_MS) {
    const { rows } = await client.query<{ count: number }>("select count(*)::int from tellers.outbox");
    const count = rows[0]?.count ?? 0;
    if (count === 0) return;
    if (count < before) {
      before = count;
      fellAt = performance.now();
    }
    await sleep(LOOK_MS);
  }
}

/** What is wrong with what was heard. */
async function compare(course: Course, { client }: Ground, perAggregate: number): Promise<void> {
  const { rows } = await client.query<{ aggregate: string; numbers: number[] }>(
    "select aggregate, array_agg(number order by position) as numbers from listeners.effects group by aggregate",
  );
  const heard = new Map(rows.map(({ aggregate, numbers }) => [aggregate, numbers]));
  let disordered = 0;
  for (let index = 0; index < AGGREGATES; index += 1) {
    const numbers = heard.get(`aggregate-${index}`) ?? [];
    const once = new Set(numbers);
    course.lost += perAggregate - once.size;
    course.doubled += numbers.length - once.size;
    if (numbers.some((number, at) => at > 0 && number < (numbers[at - 1] as number))) disordered += 1;
  }
  if (course.lost > 0) course.break(`${course.lost} events had no effect`);
  if (course.doubled > 0) course.break(`${course.doubled} effects came twice`);
  if (disordered > 0) course.break(`${disordered} aggregates were told out of order`);
  const aside = await client.query("select from tellers.outbox_set_aside");
  if (aside.rowCount) course.break(`${aside.rowCount} events were set aside`);
}

/** Many events, while relays and hearers are killed at random. */
export function events(count: number): Fault {
  const perAggregate = Math.ceil(count / AGGREGATES);
  return {
    name: "events-kills",
    title: `${perAggregate * AGGREGATES} events, relays and hearers killed at random`,
    // They have enough to do themselves.
    rateShare: 0.2,
    promise: { goodAfterMs: 0, from: "end" },
    async run(course) {
      const ground = await openGround(course);
      const replicas = await Promise.all(ROLES.map(ground.process));
      const teller = await openTeller(ground.url);
      let isOver = false;
      course.begin();
      const startedAt = performance.now();
      const killing = killAtRandom(ground, replicas, () => isOver);
      try {
        await tellAll(teller, perAggregate);
        await untilHeard(ground);
      } finally {
        isOver = true;
        const kills = await killing;
        course.note(`${kills} kills, ${Math.round((performance.now() - startedAt) / 1000)} s`);
        course.end();
        for (const replica of replicas) replica.kill("SIGKILL");
      }
      await compare(course, ground, perAggregate);
      await teller.close();
      await ground.client.end();
      await course.stage.postgres.query(`drop database ${DATABASE} with (force)`);
    },
  };
}

async function tellAll({ say }: Awaited<ReturnType<typeof openTeller>>, perAggregate: number): Promise<void> {
  const aggregates = Array.from({ length: AGGREGATES }, (_, index) => `aggregate-${index}`);
  for (let number = 1; number <= perAggregate; number += AT_ONCE) {
    const numbers = Array.from(
      { length: Math.min(AT_ONCE, perAggregate - number + 1) },
      (_, at) => number + at,
    );
    await Promise.all(aggregates.map((aggregate) => say(aggregate, numbers)));
  }
}
