import { setTimeout as sleep } from "node:timers/promises";
import type { Course, Fault } from "../fault.ts";
import type { Replica } from "../replica.ts";
import { SERVICES, type Service } from "../stage.ts";

const FREEZE_MS = 5_000;
/** After a frozen process goes on, what it does with what had waited is watched for so long. */
const AFTERWARDS_MS = 2_000;

export function killed(service: Service): Fault {
  return {
    name: `kill-${service}`,
    title: `one of two ${service} replicas killed`,
    promise: {
      goodAfterMs: 1_000,
      from: "begin",
      // A gateway takes the connections of its clients along.
      ...(service === "gateway" ? { mayCut: true } : { neverFails: "reads" }),
    },
    async run(course) {
      const [victim] = course.stage.replicasOf(service);
      course.begin();
      victim?.signal("SIGKILL");
    },
  };
}

function freeze(service: Service): Fault {
  return {
    name: `freeze-${service}`,
    title: `one of two ${service} replicas frozen for ${FREEZE_MS / 1000} s`,
    promise: { goodAfterMs: 3_000, from: "begin", mayCut: service === "gateway" },
    async run(course) {
      const [victim] = course.stage.replicasOf(service);
      course.begin();
      victim?.signal("SIGSTOP");
      await sleep(FREEZE_MS);
      victim?.signal("SIGCONT");
      await sleep(AFTERWARDS_MS);
    },
  };
}

/** Each replica in turn: another one is started in its place, then it is told to stop. */
export function rolling(name: string, services: readonly Service[], rounds: number): Fault {
  return {
    name,
    title: `rolling restart of ${services.length === SERVICES.length ? "everything" : services.join(", ")}, ${rounds} round${rounds === 1 ? "" : "s"}`,
    promise: { goodAfterMs: 0, from: "end", neverFails: "anything", isRolling: true },
    async run(course) {
      const { stage } = course;
      course.begin();
      let stopping = Promise.resolve();
      for (let round = 0; round < rounds; round += 1) {
        // Else the last one would be among those that the next round begins with.
        await stopping;
        for (const replica of services.flatMap((service) => [...stage.replicasOf(service)])) {
          await stage.start(replica.slot);
          // The next one is started meanwhile, and no other one is told to stop.
          await stopping;
          stopping = stop(course, replica);
        }
      }
      await stopping;
      course.end();
    },
  };
}

async function stop(course: Course, replica: Replica): Promise<void> {
  const fault = await replica.stop();
  await course.stage.forget(replica);
  if (fault) course.break(fault);
}

export function replicaFaults(rounds: number): Fault[] {
  return [...SERVICES.map(killed), ...SERVICES.map(freeze), rolling("rolling", SERVICES, rounds)];
}
