import { cleanDay, type Day, series, type Values } from "./clean-day.ts";

/** The minute at which everything goes wrong; the day was clean until then. */
export const FAULT_MINUTE = 700;

/** What goes wrong, and which alert tells of it. */
export interface Fault {
  readonly what: string;
  readonly alert: string;
  /** Minutes after the fault: nothing has fired until the first, the alert has at the second. */
  readonly quietUntil: number;
  readonly firesAt: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly summary: string;
  /** Alerts that have fired by then too, because the same fault is theirs. */
  readonly others?: readonly string[];
  readonly day: Day;
}

const HTTP_FAILURES = [2, 3].map((replica) =>
  series("http_server_request_duration_seconds_count", "gateway", replica, {
    http_request_method: "GET",
    http_route: "/v1/portfolios",
    http_response_status_code: "503",
  }),
);
const ISSUER = { issuer: "login.example.com", index: "0" };
/** A label set as Prometheus gives it to what it scrapes. */
const replica = (service: string, number: number) => ({
  service,
  job: service,
  instance: `${service}-${number}:3030`,
});

/** Each series is another from the fault on; `was` is what it would have been. */
type Change = (minutes: number, was: number | undefined) => number | undefined;
function dayWith(changes: Readonly<Record<string, Change>>): Day {
  const changed = Object.entries(changes).map(([name, change]): [string, Values] => {
    const usual = cleanDay.get(name);
    if (!usual) throw new Error(`A clean day has no ${name}`);
    return [
      name,
      (minute) => (minute < FAULT_MINUTE ? usual(minute) : change(minute - FAULT_MINUTE, usual(minute))),
    ];
  });
  return new Map([...cleanDay, ...changed]);
}
const all = (names: readonly string[], change: Change) =>
  Object.fromEntries(names.map((name) => [name, change]));
const grows =
  (perMinute: number): Change =>
  (minutes, was = 0) =>
    was + perMinute * minutes;
const is =
  (value: number): Change =>
  () =>
    value;
const isGone: Change = () => undefined;
const both = (name: string, service: string, labels: Readonly<Record<string, string>> = {}) =>
  [2, 3].map((number) => series(name, service, number, labels));

const requestFaults: readonly Fault[] = [
  {
    what: "every tenth request fails",
    alert: "AvailabilityBurnsFast",
    quietUntil: 6,
    firesAt: 15,
    labels: { severity: "critical" },
    summary: "The HTTP API uses up what may fail 14.4 times as fast as it may, over 1h and 5m.",
    others: ["AvailabilityBurns"],
    day: dayWith(all(HTTP_FAILURES, grows(400))),
  },
  {
    what: "one of a hundred requests fails",
    alert: "AvailabilityBurns",
    quietUntil: 15,
    firesAt: 260,
    labels: { severity: "critical" },
    summary: "The HTTP API uses up what may fail 6 times as fast as it may, over 6h and 30m.",
    others: ["AvailabilityBurnsSlowly"],
    day: dayWith(all(HTTP_FAILURES, grows(40))),
  },
  {
    what: "three of a thousand requests fail",
    alert: "AvailabilityBurnsSlowly",
    quietUntil: 35,
    firesAt: 70,
    labels: { severity: "warning" },
    summary: "The HTTP API uses up what may fail 1 times as fast as it may, over 3d and 6h.",
    day: dayWith(all(HTTP_FAILURES, grows(12))),
  },
];

const processFaults: readonly Fault[] = [
  {
    what: "a replica does not answer",
    alert: "ProcessDown",
    quietUntil: 1,
    firesAt: 3,
    labels: { severity: "critical", ...replica("auth", 2) },
    summary: "A process of auth does not answer, or none of it is known.",
    day: dayWith({ [series("up", "auth", 2)]: is(0) }),
  },
  ...["gateway", "auth", "users", "portfolios", "accounts", "market"].map((service) => ({
    what: `no replica of ${service} is known`,
    alert: "ProcessDown",
    quietUntil: 1,
    firesAt: 3,
    labels: { severity: "critical", service },
    summary: `A process of ${service} does not answer, or none of it is known.`,
    day: dayWith(all(both("up", service), isGone)),
  })),
  {
    what: "a replica loses NATS",
    alert: "BrokerDisconnected",
    quietUntil: 0,
    firesAt: 2,
    labels: { severity: "critical", ...replica("portfolios", 3) },
    summary: "portfolios on portfolios-3:3030 has no connection to NATS.",
    day: dayWith({ [series("broker_connected", "portfolios", 3)]: is(0) }),
  },
  {
    what: "a replica computes all the time",
    alert: "HighCpu",
    quietUntil: 10,
    firesAt: 20,
    labels: { severity: "warning", ...replica("market", 2) },
    summary: "market on market-2:3030 uses all of its core.",
    day: dayWith({ [series("process_cpu_seconds_total", "market", 2)]: grows(30) }),
  },
  {
    what: "a process dies again and again",
    alert: "ReplicasVanish",
    quietUntil: 4,
    firesAt: 14,
    labels: { severity: "warning", service: "gateway" },
    summary: "Within 30m, gateway found more than three processes gone that had not taken their leave.",
    day: dayWith({ [series("broker_nodes_lost_total", "gateway", 2, { reason: "silent" })]: grows(0.5) }),
  },
  {
    what: "calls of an action time out",
    alert: "CallsHeldBack",
    quietUntil: 1,
    firesAt: 3,
    labels: { severity: "warning", service: "gateway", instance: "gateway-2:3030" },
    summary: "gateway on gateway-2:3030 does not call 2 actions of others, because those calls time out.",
    day: dayWith({ [series("broker_breakers_open", "gateway", 2)]: is(2) }),
  },
  {
    what: "more calls fail than may be tried once more",
    alert: "RepeatsDenied",
    quietUntil: 4,
    firesAt: 8,
    labels: { severity: "warning", service: "gateway" },
    summary: "So many calls of gateway fail that it may not try all of them once more.",
    day: dayWith({ [series("broker_repeats_denied_total", "gateway", 2)]: grows(60) }),
  },
  {
    what: "more requests come than can be served",
    alert: "RequestsRefused",
    quietUntil: 4,
    firesAt: 12,
    labels: { severity: "warning" },
    summary: "10.02% of the requests are refused because there are too many.",
    day: dayWith(
      all(both("http_server_requests_refused_total", "gateway", { reason: "caller" }), grows(400)),
    ),
  },
  {
    what: "a gateway cannot tell the others what it lets through",
    alert: "RateLimitsNotShared",
    quietUntil: 4,
    firesAt: 8,
    labels: { severity: "warning", instance: "gateway-2:3030" },
    summary: "The gateway gateway-2:3030 cannot tell the others how many requests it lets through.",
    day: dayWith({
      [series("gateway_rate_limit_counts_told_total", "gateway", 2, { outcome: "failed" })]: grows(60),
    }),
  },
];

const POOL = { pool: "portfolios" };
const wait = (le: string) =>
  both("db_client_connection_wait_time_seconds_bucket", "portfolios", { ...POOL, le });
const poolFaults: readonly Fault[] = [
  {
    what: "a pool has almost all connections on loan",
    alert: "PoolSaturated",
    quietUntil: 4,
    firesAt: 6,
    labels: { severity: "warning", service: "portfolios", instance: "portfolios-2:3030", ...POOL },
    summary:
      "Pool portfolios on portfolios-2:3030 has had above 90 % of its connections on loan for 5 minutes.",
    day: dayWith({
      [series("db_client_connection_count", "portfolios", 2, { ...POOL, state: "used" })]: is(46),
    }),
  },
  {
    what: "callers wait for most of what they may",
    alert: "PoolWaitLong",
    quietUntil: 5,
    firesAt: 12,
    labels: { severity: "warning", service: "portfolios", ...POOL },
    summary: "Of 20 callers of pool portfolios, one waits for more than half of DB_ACQUIRE_TIMEOUT_SECS.",
    // Nobody gets a connection within a second any more, everybody does within 30.
    day: dayWith(
      Object.assign(
        {},
        ...["0.001", "0.1", "1"].map((le) =>
          all(wait(le), (minutes, was = 0) => was - 1_000 * partOf(le) * minutes),
        ),
      ),
    ),
  },
  ...["timeouts", "refusals"].map((kind) => ({
    what: `callers get no connection (${kind})`,
    alert: "AcquireTimeoutExceeded",
    quietUntil: 0,
    firesAt: 3,
    labels: { severity: "critical", service: "portfolios", ...POOL },
    summary: "Callers of pool portfolios get no connection and are answered 503 POOL_EXHAUSTED.",
    day: dayWith({ [series(`db_client_connection_${kind}_total`, "portfolios", 2, POOL)]: grows(5) }),
  })),
];

/** How many of a clean day's callers waited for no longer than that. */
function partOf(le: string): number {
  const name = series("db_client_connection_wait_time_seconds_bucket", "portfolios", 2, { ...POOL, le });
  return ((cleanDay.get(name)?.(FAULT_MINUTE) ?? 0) - (cleanDay.get(name)?.(FAULT_MINUTE - 1) ?? 0)) / 1_000;
}

const TASK = { task: "accounts.tidy" };
const backgroundFaults: readonly Fault[] = [
  {
    what: "events are not delivered",
    alert: "RelayBacklog",
    quietUntil: 6,
    firesAt: 9,
    labels: { severity: "warning", service: "accounts" },
    summary: "An event of accounts has waited for its delivery for more than two minutes.",
    day: dayWith(all(both("events_oldest_waiting_seconds", "accounts"), (minutes) => 60 * minutes)),
  },
  {
    what: "an event is refused in all attempts",
    alert: "EventsSetAside",
    quietUntil: 4,
    firesAt: 6,
    labels: { severity: "warning", service: "accounts" },
    summary: "Events of accounts were refused in all attempts and wait for somebody to look at them.",
    day: dayWith(all(both("events_set_aside", "accounts"), is(1))),
  },
  {
    what: "a job is not done",
    alert: "JobsLate",
    quietUntil: 14,
    firesAt: 17,
    labels: { severity: "warning", service: "accounts", ...TASK },
    summary: "A job accounts.tidy of accounts has been due for more than ten minutes.",
    day: dayWith(all(both("jobs_oldest_waiting_seconds", "accounts", TASK), (minutes) => 60 * minutes)),
  },
  {
    what: "a job fails in all attempts",
    alert: "JobsSetAside",
    quietUntil: 4,
    firesAt: 6,
    labels: { severity: "warning", service: "accounts", ...TASK },
    summary: "Jobs accounts.tidy of accounts failed in all attempts and wait for somebody to look at them.",
    day: dayWith(all(both("jobs_set_aside", "accounts", TASK), is(1))),
  },
];

const outsideFaults: readonly Fault[] = [
  {
    what: "no provider tells prices",
    alert: "PricesStale",
    quietUntil: 49,
    firesAt: 52,
    labels: { severity: "warning" },
    summary: "No new price for 52m 0s; three fetches should have brought one.",
    day: dayWith(all(both("market_newest_price_age_seconds", "market"), (minutes) => 60 * minutes)),
  },
  {
    what: "no provider tells prices, and one replica knows of none",
    alert: "PricesStale",
    quietUntil: 49,
    firesAt: 52,
    labels: { severity: "warning" },
    summary: "No new price for 52m 0s; three fetches should have brought one.",
    day: dayWith({
      [series("market_newest_price_age_seconds", "market", 2)]: (minutes) => 60 * minutes,
      [series("market_newest_price_age_seconds", "market", 3)]: is(0),
    }),
  },
  {
    what: "an issuer is down",
    alert: "KeySetOld",
    quietUntil: 19,
    firesAt: 22,
    labels: { severity: "warning", service: "auth", ...ISSUER },
    summary: "The keys of issuer login.example.com could not be fetched for 22m 0s.",
    day: dayWith(all(both("auth_key_set_age_seconds", "auth", ISSUER), (minutes) => 60 * minutes)),
  },
  {
    what: "an issuer was never reached",
    alert: "KeySetMissing",
    quietUntil: 1,
    firesAt: 3,
    labels: { severity: "critical", service: "auth", instance: "auth-2:3030", ...ISSUER },
    summary: "auth on auth-2:3030 has no keys of issuer login.example.com: all of its tokens are refused.",
    day: dayWith({ [series("auth_key_set_age_seconds", "auth", 2, ISSUER)]: isGone }),
  },
];

/** For each alert, what it is there for. */
export const faults = [
  ...requestFaults,
  ...processFaults,
  ...poolFaults,
  ...backgroundFaults,
  ...outsideFaults,
];
