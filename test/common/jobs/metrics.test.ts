import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Metric, Registry } from "prom-client";
import { until } from "../database/pools.ts";
import { type JobsGround, startJobsGround } from "./ground.ts";

let ground: JobsGround;

beforeAll(async () => {
  ground = await startJobsGround();
});
afterAll(() => ground.stop());

describe("the metrics of jobs", () => {
  it("tell how many wait, run and are set aside, and what became of each attempt", async () => {
    const go = Promise.withResolvers<void>();
    const replica = await ground.openReplica({
      concurrency: 1,
      tasks: {
        work: () => go.promise,
        broken: async () => {
          throw new Error("no");
        },
      },
    });
    const registry = new Registry();
    for (const metric of replica.jobs.metrics.metrics) registry.registerMetric(metric as Metric);
    const lines = () => {
      replica.jobs.metrics.collect();
      return registry.metrics().split("\n");
    };
    const labels = (task: string, more = "") => `{service="${ground.service}",task="${task}"${more}}`;
    const counted = (task: string, outcome: string) =>
      `jobs_process_duration_seconds_count${labels(task, `,outcome="${outcome}"`)} 1`;

    await replica.add("broken", {}, { maxAttempts: 1, priority: -1 });
    await replica.add("work", {}, { priority: 0 });
    await replica.add("work", {}, { priority: 1 });
    await replica.add("work", {}, { runAt: new Date(Date.now() + 600_000) });
    await replica.jobs.begin();
    await until(() => lines().includes(`jobs_set_aside${labels("broken")} 1`));
    await until(() => lines().includes(`jobs_waiting${labels("work")} 1`));
    expect(lines()).toEqual(
      expect.arrayContaining([
        `jobs_running${labels("work")} 1`,
        `jobs_running${labels("broken")} 0`,
        `jobs_waiting${labels("broken")} 0`,
        `jobs_set_aside${labels("work")} 0`,
        `jobs_replicas_taken_over_total{service="${ground.service}"} 0`,
        counted("broken", "set_aside"),
        expect.stringMatching(/^jobs_oldest_waiting_seconds\{.*task="work"\} \d/),
      ]),
    );
    go.resolve();
    await until(() => lines().includes(`jobs_waiting${labels("work")} 0`));
    expect(lines()).toContain(`jobs_running${labels("work")} 0`);
    expect(lines()).toContain(counted("work", "ok").replace(/1$/, "2"));
    await replica.jobs.end();
  });
});
