import { isDeepStrictEqual } from "node:util";
import type { Caller } from "./issuer.ts";
import { type Fault, listChecker, parse, statusFault, writeFault } from "./reply-check.ts";
import { KINDS, type Kind, type ScaleLoadPlan } from "./scale-load-plan.ts";
import { HELD_ASSETS } from "./scale-seed.ts";
import { type PortfolioReply, seededPortfolios, WRITTEN_NAME_PREFIX } from "./seed.ts";

/** One request and how its reply is judged. */
export interface Exercise {
  readonly kind: Kind;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly token: string;
  readonly body?: string;
  readonly check: (status: number, body: string) => Fault;
}

/** Makes one request after the other, the kinds in their shares, the callers in turn; undefined when all are used up. */
export function exercises({ mix, callers }: Pick<ScaleLoadPlan, "mix" | "callers">) {
  const committed = new Map<number, Set<string>>();
  const checkSeeded = listChecker();
  const checkHoldings = holdingsChecker();
  const writes = (mix.create ?? 0) > 0;
  let asked = 0;
  let written = 0;

  function create({ token, userNumber }: Caller): Exercise {
    written += 1;
    const name = `${WRITTEN_NAME_PREFIX}${written}`;
    const check = (status: number, body: string): Fault => {
      const fault = writeFault(status, body, userNumber, name);
      if (fault) return fault;
      const names = committed.get(userNumber) ?? new Set();
      committed.set(userNumber, names.add(name));
      return undefined;
    };
    const body = JSON.stringify({ name });
    return { kind: "create", method: "POST", path: "/v1/portfolios", token, body, check };
  }

  function list(kind: Kind, { token, userNumber }: Caller): Exercise {
    // What was answered before this request is made has to be in its reply, whichever gateway and replica they took.
    const mustShow = [...(committed.get(userNumber) ?? [])];
    const check = (status: number, body: string): Fault =>
      writes ? grownListFault(status, body, userNumber, mustShow) : checkSeeded(userNumber, status, body);
    return { kind, method: "GET", path: "/v1/portfolios", token, check };
  }

  const makers: Readonly<Record<Kind, (caller: Caller) => Exercise>> = {
    list: (caller) => list("list", caller),
    first: (caller) => list("first", caller),
    create,
    holdings: ({ token, userNumber }) => ({
      kind: "holdings",
      method: "GET",
      path: `${pathOf(userNumber)}/holdings`,
      token,
      check: (status, body) => checkHoldings(userNumber, status, body),
    }),
    construct: ({ token, userNumber }) => ({
      kind: "construct",
      method: "POST",
      path: `${pathOf(userNumber)}/construct`,
      token,
      check: (status, body) => checkHoldings(userNumber, status, body),
    }),
  };
  return function next(): Exercise | undefined {
    if (mix.first && asked === callers.length) return undefined;
    const caller = callers[asked % callers.length] as Caller;
    asked += 1;
    return makers[pick(mix)](caller);
  };
}

function pathOf(userNumber: number): string {
  return `/v1/portfolios/${seededPortfolios(userNumber)[0]?.id}`;
}

/** A kind at random, each as often as its share. */
function pick(mix: ScaleLoadPlan["mix"]): Kind {
  let rest = Math.random();
  const kinds = KINDS.filter((kind) => mix[kind]);
  for (const kind of kinds) {
    rest -= mix[kind] ?? 0;
    if (rest < 0) return kind;
  }
  return kinds.at(-1) as Kind;
}

/** The seeded portfolios as seeded, after them the written ones, those among them that must be there. */
function grownListFault(
  status: number,
  body: string,
  userNumber: number,
  mustShow: readonly string[],
): Fault {
  if (status !== 200) return statusFault(status, body);
  const list = parse(body) as PortfolioReply[] | undefined;
  if (!Array.isArray(list)) return "200 whose body is no JSON array";
  const seeded = seededPortfolios(userNumber);
  if (!isDeepStrictEqual(list.slice(0, seeded.length), seeded)) return "list whose seeded portfolios differ";
  const names = new Set(list.slice(seeded.length).map(({ name }) => name));
  if (mustShow.some((name) => !names.has(name))) return "stale list: a portfolio from before it is missing";
  const foreign = list.some(({ user_id }) => user_id !== seeded[0]?.user_id);
  return foreign ? "list with another user's portfolio" : undefined;
}

/** All assets, and the same value each time: neither quantities nor prices change. */
function holdingsChecker() {
  const totals = new Map<number, number>();
  return (userNumber: number, status: number, body: string): Fault => {
    if (status !== 200) return statusFault(status, body);
    const reply = parse(body) as
      | { readonly holdings?: unknown[]; readonly total_value_usd?: number }
      | undefined;
    const total = Number(reply?.total_value_usd);
    if (reply?.holdings?.length !== HELD_ASSETS || !(total > 0)) return "holdings that are not all there";
    const before = totals.get(userNumber) ?? total;
    totals.set(userNumber, before);
    return before === total ? undefined : "holdings of another value than before";
  };
}
