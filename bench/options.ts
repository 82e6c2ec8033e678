import { parseArgs } from "node:util";
import { BenchError } from "./errors.ts";

const HELP = `Usage: npm run bench -- [options]

Measures this system beside a peer on one machine, in one run, on one PostgreSQL with the same data:
  ours  all services, each in a process of its own, over a real nats-server, with metrics, validation and access
        checks on
  peer  a plain monolith in one process: Fastify, pg, jose (bench/peer.ts)

Data: 10,000 users with 3 portfolios each; 200 callers with an RS256 token each. PostgreSQL is the embedded one with
durable defaults and a folder of its own, removed afterwards. The load comes from a process of its own (autocannon,
keep-alive); the systems are loaded in turn, one at a time, after a warm-up.

  1. the load test: 10,000 GET /v1/portfolios, 100 at once, tokens seen before
  2. the same with fresh tokens: each token is sent once, and no system has seen it before; signed with RS256
  3. the same, signed with ES256
  4. writes: POST /v1/portfolios; the rows are counted and removed after each round
  5. freshness: portfolios are renamed in the database meanwhile; a reply must show the name that was committed when its
     request was made, or a later one
  6. flood, ours only: the load test of the first table while a second load process sends bad tokens at a fixed rate:
     one part each with a forged RS256 and ES256 signature under a key id of the issuer's, of an unknown key id, expired,
     and random bytes in a token's form; no two are alike. As everything shares this machine's cores, also that process
     slows the good traffic, and so does each request that is answered at all. So it also sends, at the same rate,
     requests whose Authorization header has no token's form, which are refused at first sight: the difference between
     the two is what bad tokens cost beyond any other request. All come from the address of the good traffic. "CPU µs
     each" is what a request of the flood took of our processes and PostgreSQL

With --scale, something else is measured: our system alone, with 1, 2 and 4 gateways and replicas of portfolios, at
rest, at a fixed rate, and with many requests at once; then, with one of each, every kind of request by itself. It tells
what a request costs each process, nats-server and PostgreSQL, what replicas hold, what is full first, and what
10,000 requests/s take. Ten minutes. docs/scaling.md shows the figures and how to read them.

Every reply is checked, status and content; a wrong, missing or stale one is an error. Latencies are measured per reply,
from writing the request to the end of its reply, and all are kept: percentiles are exact. Ratios are medians over the
rounds of ours / peer of the same round. CPU is user and system time of all of a system's processes (nats-server
included) per request, from /proc; "db CPU" is PostgreSQL's. Connections are the most that pg_stat_activity showed.

Options:
  --rounds <n>        rounds per system and table (default 7; fresh tokens at most 3, flood 5)
  --connections <n>   requests at once (default 100)
  --requests <n>      requests per round of the first table (default 10000); the other rounds use less
  --quick             2 short rounds on 1,000 users: shows that it works, measures little
  --scale             what replicas cost and carry, instead of all that; --rounds per line (default 3), --connections
                      (default 50)
  --write             with --scale: puts the figures into bench/scale-figures.json and docs/scaling.md
  --help              this text

The last line is "bench: ratio=<ours/peer> p99_ratio=<ours/peer> errors=<n>", of the first table; errors are of all.
With --scale it is "scale: replicas=1,2,4 cpu_us_per_request=<n>,<n>,<n> connections=<n>,<n>,<n> errors=<n>", of as many
gateways as portfolios, at the fixed rate.
Exit code: 0; 1 when there were errors or something did not start; 130 when interrupted.`;

/** How much is measured, and on how much data. */
export interface BenchOptions {
  readonly users: number;
  readonly warmCallers: number;
  readonly rounds: number;
  readonly connections: number;
  readonly requests: number;
  /** Fewer rounds, because each of their requests needs a user and a token of its own. */
  readonly coldRounds: number;
  readonly coldRequests: number;
  readonly writeRequests: number;
  readonly freshRequests: number;
  readonly floodRounds: number;
  readonly floodRequests: number;
}

/** How much `--scale` measures. */
export interface ScaleOptions {
  readonly users: number;
  readonly rounds: number;
  /** Of one round. */
  readonly seconds: number;
  readonly connections: number;
  readonly ratePerSecond: number;
  /** Whether the figures are kept, in the repository. */
  readonly write: boolean;
}

/** What is to be measured. */
export type Options = { readonly bench: BenchOptions } | { readonly scale: ScaleOptions };

/** Reads the command line. @returns the help text when that is asked for. @throws {BenchError} */
export function readOptions(argumentList: readonly string[]): Options | string {
  const values = parse(argumentList);
  if (values.help) return HELP;
  if (values.write && !values.scale) throw new BenchError("--write goes with --scale.");
  return values.scale ? { scale: scaleOptions(values) } : { bench: benchOptions(values) };
}

type Values = ReturnType<typeof parse>;

function scaleOptions({ rounds, connections, requests, quick, write = false }: Values): ScaleOptions {
  if (requests !== undefined) {
    throw new BenchError("--requests does not go with --scale, which measures for so many seconds.");
  }
  if (quick && write) throw new BenchError("--quick measures too little to be kept with --write.");
  const size = quick ? { users: 1_000, rounds: 1, seconds: 2 } : { users: 10_000, rounds: 3, seconds: 4 };
  return {
    ...size,
    // No more: each takes new tokens, and each of these a user.
    rounds: wholeNumber("rounds", rounds, size.rounds, 5),
    connections: wholeNumber("connections", connections, 50, 500),
    ratePerSecond: 500,
    write,
  };
}

function benchOptions(values: Values): BenchOptions {
  const size = values.quick
    ? { users: 1_000, warmCallers: 50, rounds: 2, requests: 2_000, others: 500, fresh: 3_000, flood: 1_000 }
    : {
        users: 10_000,
        warmCallers: 200,
        rounds: 7,
        requests: 10_000,
        others: 5_000,
        fresh: 10_000,
        flood: 30_000,
      };
  const rounds = wholeNumber("rounds", values.rounds, size.rounds, 100);
  const connections = wholeNumber("connections", values.connections, 100, 1_000);
  const requests = wholeNumber("requests", values.requests, size.requests, 1_000_000);
  if (connections > requests) {
    throw new BenchError(`--connections (${connections}) must not be above --requests (${requests}).`);
  }
  // One share of the users that are left is for the warm-up.
  const coldRounds = Math.min(rounds, 3);
  const coldUsers = Math.floor((size.users - size.warmCallers) / (coldRounds + 1));
  const others = Math.min(requests, size.others);
  return {
    users: size.users,
    warmCallers: size.warmCallers,
    rounds,
    connections,
    requests,
    coldRounds,
    coldRequests: Math.min(others, coldUsers),
    writeRequests: Math.min(others, 2_000),
    // Not fewer when less is asked for: the renames need time to happen in.
    freshRequests: Math.max(size.fresh, connections * 20),
    floodRounds: Math.min(rounds, 5),
    // Long enough that what a flood may do at once is little beside what it may do for long.
    floodRequests: Math.min(requests * 3, size.flood),
  };
}

function parse(argumentList: readonly string[]) {
  try {
    return parseArgs({
      args: [...argumentList],
      options: {
        rounds: { type: "string" },
        connections: { type: "string" },
        requests: { type: "string" },
        quick: { type: "boolean" },
        scale: { type: "boolean" },
        write: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new BenchError(`${(error as Error).message}. See npm run bench -- --help.`);
  }
}

function wholeNumber(name: string, text: string | undefined, fallback: number, maximum: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (/^[1-9]\d*$/.test(text) && value <= maximum) return value;
  throw new BenchError(`--${name} must be a whole number from 1 to ${maximum}, but is "${text}".`);
}
