// What Prometheus sees on a day on which all is well: with load by night and day, a release, failures of the kind that a
// day has, and short peaks. One sample a minute.

/** What a series is at a minute of the day; `undefined`: nothing was scraped. */
export type Values = (minute: number) => number | undefined;
/** Series by their names with labels. */
export type Day = ReadonlyMap<string, Values>;

export const DAY_MINUTES = 24 * 60;
const SERVICES = ["gateway", "auth", "users", "portfolios", "accounts", "market"] as const;
const RELEASE = { begins: 600, ends: 640 } as const;

/** Of each service, two replicas that a release replaces by two others. */
const REPLICAS = [0, 1, 2, 3] as const;
const isUp = (replica: number, minute: number) =>
  replica < 2 ? minute < RELEASE.ends : minute >= RELEASE.begins + replica;

/** A counter of one replica that grows by so much a minute, from when the replica starts. */
const counter =
  (replica: number, perMinute: number): Values =>
  (minute) =>
    isUp(replica, minute) ? perMinute * (minute - (replica < 2 ? 0 : RELEASE.begins)) : undefined;
/** A gauge of one replica. */
const gauge =
  (replica: number, value: (minute: number) => number): Values =>
  (minute) =>
    isUp(replica, minute) ? value(minute) : undefined;
/** The usual value, but for some minutes from one on. */
const peak = (usual: number, highest: number, from: number, minutes: number) => (minute: number) =>
  minute >= from && minute < from + minutes ? highest : usual;

const WAIT_BUCKETS = { "0.001": 0.9, "0.1": 0.98, "1": 0.999, "30": 1, "+Inf": 1 } as const;

/** A series' name, with the labels that Prometheus gives to what it scrapes from a replica. */
export function series(
  name: string,
  service: string,
  replica: number,
  labels: Readonly<Record<string, string>> = {},
) {
  const all = { service, job: service, instance: `${service}-${replica}:3030`, ...labels };
  const text = Object.entries(all).map(([label, value]) => `${label}="${value}"`);
  return `${name}{${text.join(",")}}`;
}

function replicaOf(service: string, replica: number): [string, Values][] {
  const its = (name: string, labels?: Readonly<Record<string, string>>) =>
    series(name, service, replica, labels);
  return [
    // A new one does not answer at its first scrape.
    [its("up"), gauge(replica, (minute) => (minute === RELEASE.begins + replica ? 0 : 1))],
    [its("broker_connected"), gauge(replica, () => 1)],
    [its("broker_breakers_open"), gauge(replica, peak(0, 1, 300, 1))],
    // One replica was killed by its machine's end.
    [its("broker_nodes_lost_total", { reason: "undelivered" }), gauge(replica, peak(0, 1, 500, 1_000))],
    [its("broker_nodes_lost_total", { reason: "silent" }), counter(replica, 0)],
    [its("broker_repeats_denied_total"), counter(replica, 0)],
    // 0.45 of a core, and almost all of it for eight minutes.
    [
      its("process_cpu_seconds_total"),
      gauge(replica, (minute) => 27 * minute + 30 * Math.min(Math.max(minute - 900, 0), 8)),
    ],
  ];
}

function poolOf(service: string, replica: number): [string, Values][] {
  const its = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    series(name, service, replica, { pool: service, ...labels });
  return [
    [its("db_client_connection_max"), gauge(replica, () => 50)],
    [its("db_client_connection_acquire_timeout_seconds"), gauge(replica, () => 30)],
    [its("db_client_connection_count", { state: "used" }), gauge(replica, peak(8, 50, 720, 4))],
    [its("db_client_connection_count", { state: "idle" }), gauge(replica, peak(5, 0, 720, 4))],
    [its("db_client_connection_timeouts_total"), counter(replica, 0)],
    [its("db_client_connection_refusals_total"), counter(replica, 0)],
    ...Object.entries(WAIT_BUCKETS).map(([le, part]): [string, Values] => [
      its("db_client_connection_wait_time_seconds_bucket", { le }),
      counter(replica, 1_000 * part),
    ]),
  ];
}

function backgroundOf(service: string, replica: number): [string, Values][] {
  const task = { task: `${service}.tidy` };
  return [
    [series("events_oldest_waiting_seconds", service, replica), gauge(replica, peak(0, 119, 400, 60))],
    [series("events_set_aside", service, replica), gauge(replica, () => 0)],
    [series("jobs_oldest_waiting_seconds", service, replica, task), gauge(replica, peak(0, 590, 400, 60))],
    [series("jobs_set_aside", service, replica, task), gauge(replica, () => 0)],
  ];
}

function requests(replica: number): [string, Values][] {
  const name = "http_server_request_duration_seconds_count";
  const its = (status: string) =>
    series(name, "gateway", replica, {
      http_request_method: "GET",
      http_route: "/v1/portfolios",
      http_response_status_code: status,
    });
  return [
    [its("200"), counter(replica, 3_000)],
    // Refused tokens are no failures of ours, however many.
    [its("401"), counter(replica, 1_000)],
    // Half of what may fail.
    [its("503"), counter(replica, 2)],
    [
      series("http_server_requests_refused_total", "gateway", replica, { reason: "caller" }),
      counter(replica, 1),
    ],
    [
      series("gateway_rate_limit_counts_told_total", "gateway", replica, { outcome: "failed" }),
      counter(replica, 0),
    ],
  ];
}

function outside(replica: number): [string, Values][] {
  const issuer = { issuer: "login.example.com", index: "0" };
  return [
    // Fetched every 15 minutes; once, the provider was away.
    [
      series("market_newest_price_age_seconds", "market", replica),
      gauge(replica, (minute) => 60 * (minute >= 1_000 && minute < 1_030 ? minute - 985 : minute % 15) + 1),
    ],
    [
      series("auth_key_set_age_seconds", "auth", replica, issuer),
      gauge(replica, (minute) => 60 * (minute % 5)),
    ],
    [
      series("auth_key_set_fetches_total", "auth", replica, { ...issuer, outcome: "ok" }),
      counter(replica, 0.2),
    ],
    [
      series("auth_key_set_fetches_total", "auth", replica, { ...issuer, outcome: "failed" }),
      counter(replica, 0),
    ],
  ];
}

/** The clean day. */
export const cleanDay: Day = new Map(
  REPLICAS.flatMap((replica) => [
    ...SERVICES.flatMap((service) => replicaOf(service, replica)),
    // Two stand for all: the expressions are the same for each service.
    ...["portfolios", "accounts"].flatMap((service) => [
      ...poolOf(service, replica),
      ...backgroundOf(service, replica),
    ]),
    ...requests(replica),
    ...outside(replica),
  ]),
);

/** In promtool's form, from one minute of the day to another; what promtool calls 0 is the first. */
export function inputSeries(day: Day, from: number, to: number) {
  return [...day].map(([name, values]) => ({
    series: name,
    values: Array.from({ length: to - from + 1 }, (_, index) => values(from + index) ?? "stale").join(" "),
  }));
}
