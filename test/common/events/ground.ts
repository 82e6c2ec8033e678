import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ServiceBroker, ServiceSchema } from "moleculer";
import { migrate } from "../../../services/common/database/migrate.ts";
import { outsideOf } from "../../../services/common/outside.ts";
import type { Outside } from "../../../services/common/service.ts";
import { cloneDatabase } from "../../support/database.ts";
import { until } from "../database/pools.ts";
import {
  type Hear,
  migrationsOf,
  newNamespace,
  openListener,
  openTeller,
  startNode,
  type Teller,
} from "./story.ts";

export type EventGround = Awaited<ReturnType<typeof startEventGround>>;

/** A database with tellers and listeners in it, and a way to start replicas of both. */
export async function startEventGround(natsUrl = process.env.TEST_NATS_URL as string) {
  const database = await cloneDatabase();
  const { url, query } = database;
  for (const [service, migrations] of Object.entries(migrationsOf)) {
    await migrate({ service, url, migrations, log: { info: () => undefined } });
  }
  await query(
    "create table listeners.effects (position bigint generated always as identity, aggregate text, number int)",
  );
  let namespace = newNamespace();
  let closings: (() => Promise<void>)[] = [];
  const children: ChildProcess[] = [];

  async function node(services: readonly ServiceSchema[] = []): Promise<ServiceBroker> {
    const broker = await startNode(natsUrl, namespace, services);
    closings.push(() => broker.stop());
    return broker;
  }

  async function teller(retries?: Parameters<typeof openTeller>[1]): Promise<Teller> {
    const opened = await openTeller(url, retries);
    closings.push(opened.close, () => opened.events.end());
    return opened;
  }

  return {
    database,
    url,
    node,
    /** One who tells, and does not relay it yet. */
    teller,
    /** A node with a relay; what it calls may be watched on its way. */
    async relay(watched = (outside: Outside) => outside, retries?: Parameters<typeof openTeller>[1]) {
      const broker = await node();
      const opened = await teller(retries);
      await opened.events.begin(watched(outsideOf(broker)));
      return { ...opened, broker };
    },
    async listener(hear?: Hear) {
      const opened = await openListener(url, hear);
      closings.push(opened.close, () => opened.events.end());
      const broker = await node([opened.schema]);
      return { ...opened, broker };
    },
    /** A replica in a process of its own. */
    async process(role: "teller" | "listener"): Promise<ChildProcess> {
      const script = fileURLToPath(new URL("story-process.ts", import.meta.url));
      const options = ["--disable-warning=ExperimentalWarning", script, role, url, natsUrl, namespace];
      const child = spawn(process.execPath, options, { stdio: ["ignore", "pipe", "inherit"] });
      children.push(child);
      let output = "";
      child.stdout?.on("data", (chunk) => {
        output += chunk;
      });
      await until(() => output.includes("ready"), 30_000);
      return child;
    },
    /** The numbers that have had an effect, by aggregate, in their order. */
    async effects(): Promise<Record<string, number[]>> {
      const rows = await query<{ aggregate: string; numbers: number[] }>(
        "select aggregate, array_agg(number order by position) as numbers from listeners.effects group by aggregate",
      );
      return Object.fromEntries(rows.map(({ aggregate, numbers }) => [aggregate, numbers]));
    },
    /** What is not yet delivered, to anyone or to this hearer. */
    outbox: (hearer = "%") =>
      query<{ event_id: string; aggregate_id: string; failures: number; silences: number }>(
        "select * from tellers.outbox where hearer like $1 order by position",
        [hearer],
      ),
    setAside: () =>
      query<{
        event_id: string;
        aggregate_id: string;
        payload: object;
        failures: number;
        last_error: string;
      }>("select * from tellers.outbox_set_aside order by position"),
    /** Until all is delivered or set aside. */
    untilTold: (limitMs?: number) =>
      until(async () => (await query("select 1 from tellers.outbox limit 1")).length === 0, limitMs),
    /** Ends all replicas and forgets what was told. */
    async reset() {
      for (const child of children.splice(0)) child.kill("SIGKILL");
      for (const close of closings.toReversed()) await close();
      closings = [];
      namespace = newNamespace();
      await query(
        "truncate tellers.outbox, tellers.outbox_set_aside, listeners.inbox, listeners.effects restart identity",
      );
    },
    stop: () => database.drop(),
  };
}
