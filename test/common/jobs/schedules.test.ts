import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { cronSchedule } from "../../../services/common/config.ts";
import type { Task } from "../../../services/common/jobs.ts";
import { pause, until } from "../database/pools.ts";
import { type JobsGround, startJobsGround } from "./ground.ts";

let ground: JobsGround;

beforeAll(async () => {
  ground = await startJobsGround();
});
afterEach(() => ground.reset());
afterAll(() => ground.stop());

const MINUTE_MS = 60_000;

describe("a schedule", () => {
  it("is caught up with once over all replicas, for each time that was missed, as far back as is said", async () => {
    const now = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
    const missed = [5, 4, 3, 2].map((minutes) => new Date(now - minutes * MINUTE_MS));
    // Minutes that are over, so that none comes up while the test runs.
    const cron = `${missed.map((time) => time.getUTCMinutes()).join(",")} * * * *`;
    const runs: unknown[] = [];
    const work: Task = async (payload, { scheduledFor }) => void runs.push([payload, scheduledFor]);
    // With room for the seconds of this minute and of the test.
    const schedule = { task: "work", cron, catchUpSeconds: 4.5 * 60, payload: { all: true } };
    const options = { tasks: { work }, schedules: [schedule] };
    const first = await ground.beginReplica(options);
    const known = `select identifier from ${ground.service}_jobs._private_known_crontabs`;
    await until(async () => (await ground.query(known)).length === 1);
    await pause(300);
    expect(runs).toEqual([]);
    await first.jobs.end();
    await ground.query(
      `update ${ground.service}_jobs._private_known_crontabs set known_since = now() - interval '1 hour'`,
    );
    const seconds = (Date.now() - now) / 1000;
    const expected = missed.filter((time) => (now - time.getTime()) / 1000 + seconds < 4.5 * 60);
    const replicas = await Promise.all([1, 2, 3].map(() => ground.beginReplica(options)));
    await until(() => runs.length >= expected.length);
    await pause(300);
    expect(runs.sort((a, b) => String(a).localeCompare(String(b)))).toEqual(
      expected.map((time) => [{ all: true }, time.toISOString()]),
    );
    await Promise.all(replicas.map(({ jobs }) => jobs.end()));
  });

  it("of a task that the service does not have is a mistake", async () => {
    const schedules = [{ task: "nothing", cron: "* * * * *", catchUpSeconds: 0 }];
    await expect(ground.openReplica({ tasks: {}, schedules })).rejects.toThrow(
      "There is no task nothing to schedule.",
    );
  });
});

describe("cronSchedule", () => {
  it.each([
    ["0 */15 * * * *", "*/15 * * * *"],
    ["0 0 23 * * *", "0 23 * * *"],
    ["  0 0,30 8-18 1,15 */2 0-6 ", "0,30 8-18 1,15 */2 0-6"],
    ["0 59 23 31 12 7", "59 23 31 12 7"],
    [undefined, "0 * * * *"],
  ])("reads %s as %s", (text, fields) => {
    expect(cronSchedule("0 0 * * * *").parse(text)).toBe(fields);
  });

  it.each([
    "*/15 * * * *",
    "30 0 * * * *",
    "* 0 * * * *",
    "0 60 * * * *",
    "0 0 24 * * *",
    "0 0 0 0 * *",
    "0 0 0 32 * *",
    "0 0 0 1 13 *",
    "0 0 0 1 1 8",
    "0 */0 * * * *",
    "0 5-5 * * * *",
    "0 9-5 * * * *",
    "0 1,,2 * * * *",
    "0 1-5/2 * * * *",
    "0 0 0 * * MON",
    "0 0 0 ? * *",
    "0 0 0 * * * *",
    "0 -1 * * * *",
    "",
  ])("refuses %p", (text) => {
    const { success, error } = cronSchedule("0 0 * * * *").safeParse(text);
    expect(success).toBe(false);
    expect(error?.issues).toHaveLength(1);
    expect(error?.issues[0]?.message).toMatch(/^must be six fields/);
  });
});
