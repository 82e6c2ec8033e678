import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import type { Principal } from "../../services/common/principal.ts";
import { type ProblemCode, problem } from "../../services/common/problem.ts";
import { authenticator } from "../../services/gateway/authenticate.ts";
import { principalOf } from "../support/broker.ts";

const ALICE = "0196a000-0000-7000-8000-000000000001";
const ATTACKER = "192.0.2.1";
const OTHER = "192.0.2.2";
/** What one address, and all together, may have refused at once. */
const ADDRESS_BURST = 50;
const TOTAL_BURST = 150;
/** How many of one address wait: five seconds at a hundred per second. */
const MAX_WAITING = 500;

beforeEach(() => {
  jest.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  jest.useRealTimers();
});

/** An authenticator to whom each token is good whose payload is `good`, and all others fail with a problem. */
function setUp(failure: ProblemCode = "UNAUTHENTICATED") {
  const ask = jest.fn(async (token: string): Promise<Principal> => {
    if (token.split(".")[1] !== "good") throw problem(failure);
    return principalOf(ALICE, { expiresAt: Date.now() / 1000 + 3600 });
  });
  const revocations = { isFresh: true, covers: () => false };
  const { authenticate } = authenticator({ cacheSeconds: 60, ask, revocations });
  let sent = 0;
  /** The problem that a request is answered with, or `ok`. */
  async function send(token: string, address: string | undefined): Promise<string> {
    try {
      await authenticate(`Bearer ${token}`, { requestId: "request-1", address });
      return "ok";
    } catch (error) {
      return (error as { type: string }).type;
    }
  }
  /** The same, or `waits` when there is no answer yet. */
  async function sendNow(token: string, address: string | undefined): Promise<string> {
    const answer = send(token, address);
    let settled = "waits";
    void answer.then((given) => {
      settled = given;
    });
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    return settled;
  }
  /** Bad tokens, one after the other, none like another. */
  async function flood(count: number, addressOf: (index: number) => string = () => ATTACKER) {
    const answers: Record<string, number> = {};
    for (let index = 0; index < count; index += 1) {
      sent += 1;
      const answer = await sendNow(`a.bad.${sent}`, addressOf(index));
      answers[answer] = (answers[answer] ?? 0) + 1;
    }
    return answers;
  }
  return { ask, revocations, send, sendNow, flood };
}

describe("a flood of bad tokens", () => {
  it("is asked about up to a limit, then waits, and is answered 503 when too many wait: any of them may be good", async () => {
    const { ask, flood } = setUp();
    expect(await flood(1_000)).toEqual({
      UNAUTHENTICATED: ADDRESS_BURST,
      waits: MAX_WAITING,
      SERVICE_UNAVAILABLE: 1_000 - ADDRESS_BURST - MAX_WAITING,
    });
    expect(ask).toHaveBeenCalledTimes(ADDRESS_BURST);
    await jest.advanceTimersByTimeAsync(5_000);
    expect(ask).toHaveBeenCalledTimes(ADDRESS_BURST + MAX_WAITING);
  });

  it("of ordinary size is answered 401 throughout, only slower", async () => {
    const { ask, send } = setUp();
    const answers: string[] = [];
    // Fifty clients of one address that send one after the other.
    const clients = Array.from({ length: 50 }, async (_, client) => {
      for (let index = 0; index < 20; index += 1)
        answers.push(await send(`a.bad.${client}-${index}`, ATTACKER));
    });
    await jest.advanceTimersByTimeAsync(60_000);
    await Promise.all(clients);
    expect(answers).toHaveLength(1_000);
    expect(new Set(answers)).toEqual(new Set(["UNAUTHENTICATED"]));
    expect(ask).toHaveBeenCalledTimes(1_000);
  });

  it("makes so many questions per second and no more, however long it lasts", async () => {
    const { ask, flood } = setUp();
    await flood(500);
    ask.mockClear();
    for (let tick = 0; tick < 100; tick += 1) {
      await jest.advanceTimersByTimeAsync(100);
      await flood(50);
    }
    expect(ask.mock.calls.length).toBeGreaterThanOrEqual(980);
    expect(ask.mock.calls.length).toBeLessThanOrEqual(1_020);
  });

  it("does not touch tokens that were verified before it, not even while revocations are not known", async () => {
    const { revocations, send, flood } = setUp();
    await send("a.good.1", ATTACKER);
    await flood(1_000);
    expect(await send("a.good.1", ATTACKER)).toBe("ok");
    revocations.isFresh = false;
    expect(await send("a.good.1", ATTACKER)).toBe("ok");
  });

  it("does not hold up a token that was good before, also when it is time to ask about it again", async () => {
    const { ask, sendNow, flood } = setUp();
    await sendNow("a.good.1", ATTACKER);
    await jest.advanceTimersByTimeAsync(61_000);
    await flood(1_000);
    ask.mockClear();
    expect(await sendNow("a.good.1", ATTACKER)).toBe("ok");
    expect(ask).toHaveBeenCalledTimes(1);
  });

  it("lets a good new token from elsewhere through at once", async () => {
    const { send, flood } = setUp();
    await flood(1_000);
    expect(await send("a.good.1", OTHER)).toBe("ok");
    expect(await send("a.good.2", undefined)).toBe("ok");
  });

  it("lets a good new token from its own address through when it has its turn", async () => {
    const { send, flood } = setUp();
    await flood(ADDRESS_BURST + 100);
    const answer = send("a.good.1", ATTACKER);
    await jest.advanceTimersByTimeAsync(1_100);
    expect(await answer).toBe("ok");
  });

  it("leaves a client whose token has ended its plain refusal, so that it gets a new one", async () => {
    const { ask, sendNow: send, flood } = setUp();
    await flood(ADDRESS_BURST);
    ask.mockClear();
    const now = Date.now() / 1000;
    const jwt = (payload: unknown) => `a.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.c`;
    expect(await send(jwt({ exp: now - 31 }), ATTACKER)).toBe("UNAUTHENTICATED");
    for (const other of [{ exp: now - 29 }, { exp: "1" }, {}, null, [], 1]) {
      expect(await send(jwt(other), ATTACKER)).toBe("waits");
    }
    expect(await send(`cpb_pat_${"a".repeat(43)}`, ATTACKER)).toBe("waits");
    expect(ask).not.toHaveBeenCalled();
  });

  it("is forgotten when it is over", async () => {
    const { flood } = setUp();
    await flood(1_000);
    await jest.advanceTimersByTimeAsync(5_000);
    await jest.advanceTimersByTimeAsync(10_001);
    expect(await flood(ADDRESS_BURST)).toEqual({ UNAUTHENTICATED: ADDRESS_BURST });
  });

  it("is stopped also when it comes from many addresses; a good new token from any other passes", async () => {
    const { ask, send, sendNow, flood } = setUp();
    const addressOf = (index: number) => `198.51.100.${index % 100}`;
    await flood(1_000, addressOf);
    expect(ask).toHaveBeenCalledTimes(TOTAL_BURST);
    expect(await send("a.good.1", OTHER)).toBe("ok");
    expect(await sendNow("a.good.2", addressOf(0))).toBe("waits");
  });

  it("is one flood when it comes from many addresses of one IPv6 network", async () => {
    const { ask, send, flood } = setUp();
    const networks = ["2001:db8:0:7:", "2001:db8::"];
    for (const network of networks) {
      ask.mockClear();
      await flood(400, (index) => `${network}${index + 1}:2:3:4`);
      expect(ask).toHaveBeenCalledTimes(ADDRESS_BURST);
    }
    expect(await send("a.good.1", "2001:db8:0:8::1")).toBe("ok");
  });

  it("is stopped also when its questions fail in another way, which cost as much", async () => {
    const { ask, flood } = setUp("ISSUER_UNAVAILABLE");
    await flood(1_000);
    expect(ask).toHaveBeenCalledTimes(ADDRESS_BURST);
  });

  it("is stopped no longer than filling the limit takes, however many questions were under way at once", async () => {
    const { ask, send } = setUp();
    await Promise.all(Array.from({ length: 5_000 }, (_, index) => send(`a.bad.${index}`, ATTACKER)));
    expect(ask).toHaveBeenCalledTimes(5_000);
    jest.advanceTimersByTime(2_020);
    expect(await send("a.good.1", ATTACKER)).toBe("ok");
  });
});

describe("many good new tokens at once", () => {
  it("all pass: what is answered well has no limit", async () => {
    const { ask, send } = setUp();
    const answers = await Promise.all(
      Array.from({ length: 5_000 }, (_, index) => send(`a.good.${index}`, ATTACKER)),
    );
    expect(new Set(answers)).toEqual(new Set(["ok"]));
    expect(ask).toHaveBeenCalledTimes(5_000);
  });
});
