import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import type { Principal } from "../../services/common/principal.ts";
import { problem } from "../../services/common/problem.ts";
import { type AskingRequest, authenticator } from "../../services/gateway/authenticate.ts";
import { principalOf } from "../support/broker.ts";

const REQUEST: AskingRequest = { requestId: "request-1", address: "127.0.0.1" };
const ALICE = "0196a000-0000-7000-8000-000000000001";

beforeEach(() => {
  jest.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  jest.useRealTimers();
});

function principalFor(seconds: number): Principal {
  return principalOf(ALICE, { expiresAt: Date.now() / 1000 + seconds });
}

/** An authenticator whose questions are answered by `answer`. */
function setUp(answer: (token: string) => Promise<Principal>, cacheSeconds = 60) {
  const ask = jest.fn((token: string, _request: AskingRequest) => answer(token));
  const revocations = { isFresh: true, covers: jest.fn(() => false) };
  const { authenticate } = authenticator({ cacheSeconds, ask, revocations });
  return {
    ask,
    revocations,
    authenticate: async (header: string | undefined) => authenticate(header, REQUEST),
  };
}

describe("authenticate", () => {
  it("asks once for a token, then remembers whose it is", async () => {
    const principal = principalFor(3600);
    const { ask, authenticate } = setUp(async () => principal);
    for (let count = 0; count < 3; count += 1) {
      expect(await authenticate("Bearer a.b.c")).toBe(principal);
    }
    expect(ask.mock.calls).toEqual([["a.b.c", REQUEST]]);
  });

  it("asks again after the time set for it", async () => {
    const { ask, authenticate } = setUp(async () => principalFor(3600), 60);
    await authenticate("Bearer a.b.c");
    jest.advanceTimersByTime(59_000);
    await authenticate("Bearer a.b.c");
    expect(ask).toHaveBeenCalledTimes(1);
    jest.advanceTimersByTime(2_000);
    await authenticate("Bearer a.b.c");
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it("remembers nobody past the token's end", async () => {
    const { ask, authenticate } = setUp(async () => principalFor(5), 60);
    await authenticate("Bearer a.b.c");
    jest.advanceTimersByTime(4_000);
    await authenticate("Bearer a.b.c");
    expect(ask).toHaveBeenCalledTimes(1);
    jest.advanceTimersByTime(1_001);
    await authenticate("Bearer a.b.c");
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it("remembers nobody whose token has ended already", async () => {
    const { ask, authenticate } = setUp(async () => principalFor(0));
    await authenticate("Bearer a.b.c");
    await authenticate("Bearer a.b.c");
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it("remembers nobody when it is told to", async () => {
    const { ask, authenticate } = setUp(async () => principalFor(3600), 0);
    await authenticate("Bearer a.b.c");
    await authenticate("Bearer a.b.c");
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it("asks one question for all requests that bring the same token at once", async () => {
    const answer = Promise.withResolvers<Principal>();
    const { ask, authenticate } = setUp(() => answer.promise);
    const asking = Array.from({ length: 100 }, () => authenticate("Bearer a.b.c"));
    const other = authenticate("bearer d.e.f");
    answer.resolve(principalFor(3600));
    expect(new Set(await Promise.all([...asking, other])).size).toBe(1);
    expect(ask.mock.calls.map(([token]) => token)).toEqual(["a.b.c", "d.e.f"]);
  });

  it("remembers no failure: all who asked at once are refused, the next one asks again", async () => {
    const answers = [Promise.reject(problem("ISSUER_UNAVAILABLE")), Promise.resolve(principalFor(3600))];
    const { ask, authenticate } = setUp(() => answers.shift() as Promise<Principal>);
    const refused = await Promise.allSettled(Array.from({ length: 3 }, () => authenticate("Bearer a.b.c")));
    expect(refused).toEqual(
      Array(3).fill({ status: "rejected", reason: expect.objectContaining({ type: "ISSUER_UNAVAILABLE" }) }),
    );
    expect(await authenticate("Bearer a.b.c")).toMatchObject({ userId: ALICE });
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it("takes another spelling for another token", async () => {
    const { ask, authenticate } = setUp(async (token) => {
      if (token === "a.b.c") return principalFor(3600);
      throw problem("UNAUTHENTICATED");
    });
    await authenticate("Bearer a.b.c");
    for (const spelling of ["Bearer a.b.C", "Bearer a.b.c-"]) {
      await expect(authenticate(spelling)).rejects.toMatchObject({ type: "UNAUTHENTICATED" });
    }
    expect(ask).toHaveBeenCalledTimes(3);
  });

  it("remembers only so many tokens, those that were used last", async () => {
    const { ask, authenticate } = setUp(async () => principalFor(3600));
    const tokens = Array.from({ length: 20_001 }, (_, index) => `Bearer a.b.${index}`);
    for (const token of tokens) await authenticate(token);
    ask.mockClear();
    await authenticate(tokens[20_000]);
    await authenticate(tokens[1]);
    expect(ask).toHaveBeenCalledTimes(0);
    await authenticate(tokens[0]);
    expect(ask).toHaveBeenCalledTimes(1);
  });

  it.each([
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "Basic a.b.c",
    "a.b.c",
    "Bearer  a.b.c",
    "Bearer a.b",
    "Bearer a.b.c.d",
  ])("refuses %s without asking", async (header) => {
    const { ask, authenticate } = setUp(async () => principalFor(3600));
    await expect(authenticate(header)).rejects.toMatchObject({ type: "UNAUTHENTICATED" });
    expect(ask).not.toHaveBeenCalled();
  });

  it.each([
    "a.b.c=",
    "a.b.c ",
    " a.b.c",
    "a.b.ç",
    "a..c",
    ".b.c",
    "a.b.",
    "a.b.c\n",
    `a.b.${"c".repeat(8189)}`,
  ])("refuses the token '%s' without asking", async (token) => {
    const { ask, authenticate } = setUp(async () => principalFor(3600));
    await expect(authenticate(`Bearer ${token}`)).rejects.toMatchObject({ type: "UNAUTHENTICATED" });
    expect(ask).not.toHaveBeenCalled();
  });

  it("takes a token of exactly 8 KiB", async () => {
    const { authenticate } = setUp(async () => principalFor(3600));
    expect(await authenticate(`Bearer a.b.${"c".repeat(8188)}`)).toMatchObject({ userId: ALICE });
  });

  it("believes nothing that it remembers while it does not know what is revoked", async () => {
    const { ask, revocations, authenticate } = setUp(async () => principalFor(3600));
    await authenticate("Bearer a.b.c");
    revocations.isFresh = false;
    await authenticate("Bearer a.b.c");
    expect(ask).toHaveBeenCalledTimes(2);
    revocations.isFresh = true;
    await authenticate("Bearer a.b.c");
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it("refuses whom it remembers once their token is revoked, and forgets them", async () => {
    const { ask, revocations, authenticate } = setUp(async () => principalFor(3600));
    await authenticate("Bearer a.b.c");
    revocations.covers.mockReturnValueOnce(true);
    await expect(authenticate("Bearer a.b.c")).rejects.toMatchObject({ type: "UNAUTHENTICATED" });
    await authenticate("Bearer a.b.c");
    expect(ask).toHaveBeenCalledTimes(2);
  });
});
