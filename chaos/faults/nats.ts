import { setTimeout as sleep } from "node:timers/promises";
import { nowMs } from "../clock.ts";
import type { Course, Fault } from "../fault.ts";
import type { Manner } from "../proxies.ts";
import { type Stage, unreadiness } from "../stage.ts";

const SECONDS_GONE = [1, 10, 60];
const SILENCE_MS = 5_000;
const SLOWNESS_MS = 5_000;
/** All processes are not ready so soon after NATS is gone; then requests fail within the second one. */
const NOTICED_WITHIN_MS = 2_000;
const REFUSED_WITHIN_MS = 100;
const BACK_WITHIN_MS = 2_000;
const LATENCY_MS = 25;
const BYTES_PER_SECOND = 64_000;
const LOOK_MS = 100;

const gone = {
  goodAfterMs: BACK_WITHIN_MS,
  from: "end",
  toldWithinMs: NOTICED_WITHIN_MS + REFUSED_WITHIN_MS,
} as const;

/** Until no process is ready; then refusals come at once. */
async function noticed(course: Course): Promise<void> {
  const { stage, begunAt, roomMs } = course;
  const limit = NOTICED_WITHIN_MS + roomMs;
  let ready = stage.replicas.map(({ slot }) => slot);
  while (ready.length > 0 && nowMs() < begunAt + limit) {
    await sleep(LOOK_MS);
    ready = (await Promise.all(stage.replicas.map(readySlot))).filter((slot) => slot !== undefined);
  }
  if (ready.length > 0) course.break(`still ready ${limit} ms after NATS was gone: ${ready.join(", ")}`);
  else course.note(`all not ready after ${Math.round(nowMs() - begunAt)} ms`);
  course.knownNow(REFUSED_WITHIN_MS);
}

async function readySlot(replica: Stage["replicas"][number]): Promise<string | undefined> {
  return (await unreadiness(replica)) === undefined ? replica.slot : undefined;
}

function until(course: Course, durationMs: number): Promise<void> {
  return sleep(Math.max(0, course.begunAt + durationMs - nowMs()));
}

interface Outage {
  readonly name: string;
  readonly title: string;
  /** Requests that were refused may be done when it goes on. */
  readonly mayBeDoneLate?: boolean;
  readonly begin: (stage: Stage) => Promise<void> | void;
  readonly end: (stage: Stage) => Promise<void> | void;
}

function goneFor(seconds: number, { name, title, mayBeDoneLate = false, begin, end }: Outage): Fault {
  return {
    name: `nats-${name}-${seconds}s`,
    title: `${title} for ${seconds} s`,
    promise: { ...gone, ...(mayBeDoneLate && { mayBeDoneLate }) },
    async run(course) {
      course.begin();
      await begin(course.stage);
      if (seconds * 1000 > NOTICED_WITHIN_MS) await noticed(course);
      await until(course, seconds * 1000);
      await end(course.stage);
      course.end();
    },
  };
}

const killed: Outage = {
  name: "kill",
  title: "NATS killed, back with nothing in it, gone",
  begin: ({ nats }) => nats.kill(),
  end: ({ nats }) => nats.start(),
};
const frozen: Outage = {
  name: "freeze",
  title: "NATS frozen",
  mayBeDoneLate: true,
  begin: ({ nats }) => nats.freeze(),
  end: ({ nats }) => nats.thaw(),
};

function unreachable(kind: "silent" | "refuse", title: string): Outage {
  return {
    name: kind,
    title,
    begin: ({ proxies }) => proxies.take("nats", { kind }),
    end: ({ proxies }) => proxies.take("nats", { kind: "forward" }),
  };
}

const silent = unreachable("silent", "NATS behind a black hole");

export const killedNats = goneFor(1, killed);

/** Connections are lost, and new ones can be had all the time. */
function cut(kind: "reset" | "drop" | "half-open", title: string): Fault {
  const isTold = kind !== "half-open";
  return {
    name: `nats-${kind}`,
    title,
    promise: {
      goodAfterMs: isTold ? BACK_WITHIN_MS : NOTICED_WITHIN_MS + BACK_WITHIN_MS,
      from: "begin",
      toldWithinMs: NOTICED_WITHIN_MS + REFUSED_WITHIN_MS,
    },
    async run(course) {
      const { proxies } = course.stage;
      course.begin();
      await proxies.take("nats", { kind });
      if (isTold) return;
      await sleep(SILENCE_MS);
      await proxies.take("nats", { kind: "end swallowed" });
    },
  };
}

function hindered(
  name: string,
  title: string,
  manner: Manner,
  promise: Omit<Fault["promise"], "from">,
): Fault {
  return {
    name,
    title,
    promise: { ...promise, from: "end" },
    async run(course) {
      const { proxies } = course.stage;
      course.begin();
      await proxies.take("nats", manner);
      await sleep(SLOWNESS_MS);
      await proxies.take("nats", { kind: "forward" });
      course.end();
    },
  };
}

function partition(service: "portfolios" | "gateway"): Fault {
  return {
    name: `nats-partition-${service}`,
    title: `one ${service} replica cut off from NATS, silently, for ${SILENCE_MS / 1000} s`,
    promise: { goodAfterMs: 3_000, from: "begin" },
    async run(course) {
      const { stage } = course;
      const [victim] = stage.replicasOf(service);
      if (!victim) return;
      course.begin();
      await stage.proxies.take("nats", { kind: "silent" }, victim.slot);
      await until(course, SILENCE_MS);
      await stage.proxies.take("nats", { kind: "forward" }, victim.slot);
      await sleep(BACK_WITHIN_MS);
    },
  };
}

export const natsFaults: readonly Fault[] = [
  ...[killed, frozen, silent].flatMap((outage) => SECONDS_GONE.map((seconds) => goneFor(seconds, outage))),
  goneFor(5, unreachable("refuse", "NATS refuses connections")),
  cut("half-open", "all connections to NATS half-open"),
  cut("reset", "all connections to NATS reset"),
  cut("drop", "all connections to NATS closed"),
  hindered(
    "nats-latency",
    `${LATENCY_MS} ms each way to NATS for ${SLOWNESS_MS / 1000} s`,
    { kind: "latency", milliseconds: LATENCY_MS },
    { goodAfterMs: 0, neverFails: "anything" },
  ),
  hindered(
    "nats-slow",
    `${BYTES_PER_SECOND / 1000} kB/s to NATS per process for ${SLOWNESS_MS / 1000} s`,
    { kind: "slow", bytesPerSecond: BYTES_PER_SECOND },
    { goodAfterMs: BACK_WITHIN_MS, mayBeDoneLate: true },
  ),
  partition("portfolios"),
  partition("gateway"),
];
