import type { Caller } from "./issuer.ts";
import type { LoadPlan } from "./load-plan.ts";
import { nameRevision, type Renames, revisedName } from "./renames.ts";
import { type Fault, listChecker, listFault, parse, statusFault, writeFault } from "./reply-check.ts";
import { type PortfolioReply, RENAMED_PORTFOLIO, seededPortfolios, WRITTEN_NAME_PREFIX } from "./seed.ts";

/** One request and how its reply is judged. */
export interface Question {
  readonly token: string;
  readonly body?: string;
  readonly check: (status: number, body: string) => Fault;
}

/** Makes the next question of a connection (0, 1, …). */
export type Exercise = (connection: number) => Question;

/** The questions of a plan. */
export function exerciseOf(plan: LoadPlan, renames: Renames | undefined): Exercise {
  if (renames) return freshExercise(plan, renames);
  if (plan.kind === "write") return writeExercise(plan);
  return listExercise(plan);
}

/** Each connection walks round the callers from a place of its own; with as many callers as requests, nobody is asked twice. */
function callerOrder({ kind, callers, connections }: LoadPlan): (connection: number) => Caller {
  const positions = Array.from({ length: connections }, (_, index) =>
    Math.floor((index * callers.length) / connections),
  );
  let used = 0;
  return (connection) => {
    if (kind === "cold") return callers[used++ % callers.length] as Caller;
    const position = positions[connection] as number;
    positions[connection] = (position + 1) % callers.length;
    return callers[position] as Caller;
  };
}

function listExercise(plan: LoadPlan): Exercise {
  const nextCaller = callerOrder(plan);
  const check = listChecker();
  return (connection) => {
    const { token, userNumber } = nextCaller(connection);
    return { token, check: (status, body) => check(userNumber, status, body) };
  };
}

function writeExercise(plan: LoadPlan): Exercise {
  const nextCaller = callerOrder(plan);
  let written = 0;
  return (connection) => {
    const { token, userNumber } = nextCaller(connection);
    written += 1;
    const name = `${WRITTEN_NAME_PREFIX}${written}`;
    return {
      token,
      body: JSON.stringify({ name }),
      check: (status, body) => writeFault(status, body, userNumber, name),
    };
  };
}

/** A reply must show the name that was committed when its request was made, or a later one; the rest as seeded. */
function freshExercise(plan: LoadPlan, renames: Renames): Exercise {
  const nextCaller = callerOrder(plan);
  return (connection) => {
    const { token, userNumber } = nextCaller(connection);
    const committed = renames.revisionToShow(userNumber);
    return { token, check: (status, body) => freshFault(status, body, userNumber, committed) };
  };
}

function freshFault(status: number, body: string, userNumber: number, committed: number): Fault {
  if (status !== 200) return statusFault(status, body);
  const shown = (parse(body) as PortfolioReply[] | undefined)?.[RENAMED_PORTFOLIO]?.name;
  const revision = nameRevision(shown);
  if (revision < committed) return "stale list: a name from before the request";
  const expected = seededPortfolios(userNumber).map((portfolio, index) =>
    index === RENAMED_PORTFOLIO && revision > 0 ? { ...portfolio, name: revisedName(revision) } : portfolio,
  );
  return listFault(body, expected);
}
