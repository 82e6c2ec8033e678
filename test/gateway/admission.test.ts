import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "@jest/globals";
import { isProblem } from "../../services/common/problem.ts";
import { type Admission, admission, type Gate } from "../../services/gateway/admission.ts";
import { EventLoopLag } from "../../services/gateway/admission-lag.ts";
import { AdaptiveLimit } from "../../services/gateway/admission-limit.ts";
import { RefusalPause } from "../../services/gateway/admission-pause.ts";
import { sharedConnections } from "../../services/gateway/client-address.ts";
import { close, createHttpServer, listen } from "../../services/gateway/server.ts";

const LOOK_MS = 100;

interface Simulated {
  readonly limit: AdaptiveLimit;
  /** What is done in each look, and how many of those who come are let in. */
  look(comingPerLook: number, donePerLook: number): number;
}

/** A route before a line of work that gets so much done, whatever waits in it. */
function simulated(ceiling: number): Simulated {
  const limit = new AdaptiveLimit(ceiling);
  return {
    limit,
    look(coming, done) {
      let admitted = 0;
      for (; admitted < coming && limit.inFlight < limit.limit; admitted += 1) limit.began();
      const tookMs = done === 0 ? 0 : (limit.inFlight / done) * LOOK_MS;
      for (let ended = 0; ended < done && limit.inFlight > 0; ended += 1) limit.ended(tookMs);
      limit.look(LOOK_MS);
      return admitted;
    },
  };
}

function times(count: number, run: () => unknown): void {
  for (let time = 0; time < count; time += 1) run();
}

describe("the limit of a route", () => {
  it("falls, under ten times the load that fits, to what gets done in the time that it should take", () => {
    const route = simulated(1_000);
    // 500 a second are 50 in each look, 200 in the time that a request should take; 5,000 come.
    times(60, () => route.look(500, 50));
    expect(route.limit.limit).toBeGreaterThan(150);
    expect(route.limit.limit).toBeLessThan(275);
    // Each look still gets its whole work done: the line never runs dry.
    expect(route.limit.inFlight).toBeGreaterThanOrEqual(50);
  });

  it("falls also when nothing ends at all, and no lower than 100", () => {
    const route = simulated(1_000);
    times(30, () => route.look(100, 0));
    expect(route.limit.limit).toBe(100);
  });

  it("lets a hundred at once pass, be they ever so slow together, if they end in time", () => {
    const route = simulated(1_000);
    // 500 a second: each of a hundred takes 200 ms.
    times(50, () => route.look(100 - route.limit.inFlight, 50));
    expect(route.limit.limit).toBeGreaterThanOrEqual(100);
  });

  it("is not cut by a stall of less than two seconds", () => {
    const route = simulated(1_000);
    times(10, () => route.look(50, 50));
    const before = route.limit.limit;
    times(19, () => route.look(50, 0));
    expect(route.limit.limit).toBeGreaterThanOrEqual(before);
  });

  it("grows where it is used and all ends in time, up to its ceiling", () => {
    const route = simulated(1_000);
    times(100, () => route.look(2_000, 2_000));
    expect(route.limit.limit).toBeLessThanOrEqual(1_000);
    times(100, () => route.look(900 - route.limit.inFlight, 500));
    expect(route.limit.limit).toBe(1_000);
  });

  it("comes back to where it began when the overload is over", () => {
    const route = simulated(1_000);
    const { limit } = route.limit;
    times(30, () => route.look(100, 0));
    times(40, () => route.look(0, 10));
    times(30, () => route.look(1, 1));
    expect(route.limit.limit).toBe(limit);
  });

  it("lets a route be slow that is slow by nature", () => {
    const limit = new AdaptiveLimit(1_000);
    // Alone, a request takes two seconds...
    times(400, () => {
      limit.began();
      limit.ended(2_000);
      limit.look(2_000);
    });
    // ...and so do sixty at once: twenty end each second, and a few less would not make it quicker.
    times(60, () => limit.began());
    times(50, () => {
      times(3, () => {
        limit.ended(2_000);
        limit.began();
      });
      limit.look(LOOK_MS);
    });
    expect(limit.limit).toBeGreaterThanOrEqual(60);
  });
});

/** How many requests of a caller get in, one after the other, none of them leaving. */
function fill(gate: Gate, caller: string, wanted = 10_000): number {
  for (let count = 0; count < wanted; count += 1) {
    try {
      gate.enter(caller);
    } catch (error) {
      expect(isProblem(error, "OVERLOADED")).toBe(true);
      return count;
    }
  }
  return wanted;
}

function gates(max: number): { all: Admission; gate: (path: string) => Gate } {
  const all = admission(max);
  return { all, gate: (path) => all.gate("GET", path) };
}

describe("shares", () => {
  it("a caller may hold half of a route that nobody else wants, and others still get in", () => {
    const gate = gates(400).gate("/a");
    expect(gate.limit.limit).toBe(200);
    expect(fill(gate, "greedy")).toBe(100);
    expect(fill(gate, "modest", 40)).toBe(40);
    expect(fill(gate, "third", 5)).toBe(5);
    // With four of them, a quarter is each one's.
    expect(fill(gate, "fourth")).toBe(50);
    // The rest of the route, and what is kept for those who have little.
    expect(fill(gate, "third")).toBe(23);
    expect(fill(gate, "greedy")).toBe(0);
  });

  it("a reserve of an eighth is for those who have little of a route", () => {
    const gate = gates(400).gate("/a");
    for (let caller = 0; caller < 40; caller += 1) fill(gate, `${caller}`, 5);
    expect(gate.limit.inFlight).toBe(200);
    expect(fill(gate, "0")).toBe(0);
    // Up to half of what the others have on average.
    expect(fill(gate, "modest")).toBe(3);
    for (let caller = 40; caller < 80; caller += 1) fill(gate, `${caller}`);
    expect(gate.limit.inFlight).toBe(225);
    expect(fill(gate, "another")).toBe(0);
    // What leaves makes room for those who have most again, and in the reserve.
    gate.left("0");
    expect(fill(gate, "1")).toBe(1);
    gate.left("modest");
    expect(fill(gate, "another")).toBe(1);
  });

  it("a route has half of all room at most, and its reserve, and the others are not concerned", () => {
    const { gate } = gates(200);
    const slow = gate("/slow");
    for (const caller of ["a", "b", "c", "d", "e", "f"]) fill(slow, caller);
    expect(slow.limit.inFlight).toBe(100 + 12);
    expect(fill(gate("/other"), "z", 20)).toBe(20);
  });

  it("a caller has half of all room at most, over whatever routes", () => {
    const { all, gate } = gates(80);
    const routes = ["/a", "/b", "/c", "/d"].map(gate);
    const held = routes.map((route) => fill(route, "greedy"));
    // Half of all while there is room, then no more.
    expect(held.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(40);
    expect(fill(routes[3] as Gate, "other", 10)).toBe(10);
    expect(all.inFlight).toBeLessThanOrEqual(80);
  });

  it("are free again when a request has left", () => {
    const { all, gate } = gates(100);
    const route = gate("/a");
    const held = fill(route, "a");
    expect(() => route.check("a")).toThrow();
    times(held, () => route.left("a"));
    expect(all.inFlight).toBe(0);
    expect(fill(route, "a")).toBe(held);
  });

  it("all room is taken once, whoever wants it", () => {
    const { all, gate } = gates(100);
    times(50, () => {
      const route = gate("/x");
      for (let caller = 0; caller < 50; caller += 1) fill(route, `${caller}`, 2);
    });
    expect(all.inFlight).toBe(100);
  });
});

describe("an event loop that is behind", () => {
  const arrive = (lag: EventLoopLag, count: number) => {
    let refused = 0;
    times(count, () => {
      if (lag.refusesNext()) refused += 1;
    });
    return refused;
  };
  /** Looks, each after so many requests. */
  const looks = (lag: EventLoopLag, lagMs: number, count: number, arriving = 100) =>
    times(count, () => {
      arrive(lag, arriving);
      lag.look(lagMs);
    });

  it("refuses nobody while it is in time, and not for one late look", () => {
    const lag = new EventLoopLag();
    looks(lag, 150, 20);
    looks(lag, 900, 1);
    looks(lag, 10, 1);
    expect(arrive(lag, 1_000)).toBe(0);
  });

  it("refuses a growing share while it stays late, never all", () => {
    const lag = new EventLoopLag();
    looks(lag, 400, 3);
    const some = arrive(lag, 1_000);
    expect(some).toBeGreaterThan(100);
    looks(lag, 400, 20);
    const more = arrive(lag, 1_000);
    expect(more).toBeGreaterThan(some);
    expect(more).toBeLessThanOrEqual(900);
  });

  it("refuses nobody within a second after it is in time again", () => {
    const lag = new EventLoopLag();
    looks(lag, 1_000, 20);
    looks(lag, 0, 1_000 / 50);
    expect(arrive(lag, 1_000)).toBe(0);
  });

  it("refuses nobody where few come: then it is something else that keeps it", () => {
    const lag = new EventLoopLag();
    looks(lag, 1_000, 20, 10);
    expect(arrive(lag, 40)).toBe(0);
  });
});

describe("a connection whose request was refused, when very many are", () => {
  it("is read again after a moment, and what was sent meanwhile is answered", async () => {
    const pause = new RefusalPause();
    const server = createHttpServer((_, response) => {
      pause.refused(response);
      response.writeHead(503, { "Content-Length": 0 }).end();
    });
    await listen(server, 0, "127.0.0.1");
    const { port } = server.address() as AddressInfo;
    const client = connect({ host: "127.0.0.1", port });
    const ask = async () => {
      const askedAt = performance.now();
      client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      const [reply] = (await once(client, "data")) as [Buffer];
      expect(reply.toString()).toMatch(/^HTTP\/1\.1 503 /);
      return performance.now() - askedAt;
    };
    await ask();
    expect(pause.lengthMs).toBe(0);
    // As if thousands had been refused in this look.
    times(20, () => pause.look(0.1 / 1_000_000));
    expect(pause.lengthMs).toBe(0);
    await ask();
    times(20, () => {
      pause.refused({ req: {}, once: () => undefined } as never);
      pause.look(0.1);
    });
    expect(pause.lengthMs).toBe(1_000);
    await ask();
    expect(await ask()).toBeGreaterThan(500);
    times(30, () => pause.look(LOOK_MS));
    expect(pause.lengthMs).toBe(0);
    await delay(1_100);
    await ask();
    client.destroy();
    await close(server);
  });

  it("is read on when it is a trusted proxy's, who sends others' requests over it", () => {
    const isShared = sharedConnections(["10.0.0.0/8"]);
    const pause = new RefusalPause(isShared);
    const paused: string[] = [];
    const refuse = (remoteAddress: string) =>
      pause.refused({
        req: { socket: { remoteAddress } },
        once: () => paused.push(remoteAddress),
      } as never);
    times(20, () => {
      times(1_000, () => pause.refused({ req: { socket: {} }, once: () => undefined } as never));
      pause.look(LOOK_MS);
    });
    refuse("10.1.2.3");
    refuse("::ffff:10.1.2.3");
    refuse("192.0.2.1");
    expect(paused).toEqual(["192.0.2.1"]);
    expect(sharedConnections([])({ remoteAddress: "10.1.2.3" } as never)).toBe(false);
  });
});
