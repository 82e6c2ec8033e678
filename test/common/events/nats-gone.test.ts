import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type NatsServer, startNatsServer } from "../../../scripts/development/nats-server.ts";
import { pause, until } from "../database/pools.ts";
import { type EventGround, startEventGround } from "./ground.ts";

const binary = process.env.TEST_NATS_BINARY as string;
const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

let server: NatsServer;
let ground: EventGround;

beforeAll(async () => {
  server = await startNatsServer({ binary });
  ground = await startEventGround(server.url);
});
afterAll(async () => {
  await ground.reset();
  await ground.stop();
  await server.stop();
});

describe("events while NATS is gone", () => {
  it.each(["killed", "frozen"])(
    "(%s) wait, and are delivered when it is back: none lost, none twice, none counted as failed",
    async (fault) => {
      await ground.reset();
      await ground.listener();
      const { say } = await ground.relay();
      await say("a", range(50));
      await until(async () => "a" in (await ground.effects()));
      const port = Number(new URL(server.url).port);
      if (fault === "killed") await server.stop();
      else process.kill(server.pid, "SIGSTOP");
      await say("a", range(100).slice(50));
      await say("b", range(10));
      await pause(2_000);
      const waiting = await ground.outbox("listeners.heard");
      expect(waiting.length).toBeGreaterThanOrEqual(60);
      expect(waiting.filter(({ failures }) => failures > 0)).toEqual([]);
      if (fault === "killed") server = await startNatsServer({ binary, port });
      else process.kill(server.pid, "SIGCONT");
      await ground.untilTold();
      expect(await ground.effects()).toEqual({ a: range(100), b: range(10) });
      expect(await ground.setAside()).toEqual([]);
    },
  );
});
