import { Counter, Gauge } from "prom-client";
import type { ConnectionPool } from "../../common/database/pool.ts";
import type { OpenService } from "../../common/service.ts";
import type { ProviderFault, ProviderName } from "./provider.ts";

// Names and units follow OpenTelemetry's conventions, as Prometheus writes them. Registered by `monitoring.ts`.

const fetches = new Counter({
  name: "market_price_fetches_total",
  help: "Times that a provider was asked for prices, by what came of it: ok, unavailable, timed_out, rate_limited, refused, unexpected_answer.",
  labelNames: ["provider", "outcome"],
  registers: [],
});
const newestAge = new Gauge({
  name: "market_newest_price_age_seconds",
  help: "Age of the newest price, in seconds; until a provider has told one, that of the samples. The same on each replica.",
  registers: [],
});
const assets = new Gauge({
  name: "market_priced_assets",
  help: "Assets with a price, by whether it is fresh, or stale: older than PRICE_MAX_AGE_SECS. The same on each replica.",
  labelNames: ["state"],
  registers: [],
});

const OUTCOMES = ["ok", "unavailable", "timed_out", "rate_limited", "refused", "unexpected_answer"] as const;
const PROVIDERS = ["coinpaprika", "coingecko"] as const;
/** How often the prices are looked at. */
const INTERVAL_MS = 30_000;

const LOOK = `
  select extract(epoch from now() - max(as_of))::float8 as age_seconds,
    count(*) filter (where as_of < now() - make_interval(secs => $1))::integer as stale, count(*)::integer as all
  from market.prices`;

export interface PriceMetrics {
  readonly fetched: (provider: ProviderName, outcome: "ok" | ProviderFault) => void;
  readonly begin: () => Promise<void>;
  readonly end: () => void;
  readonly registered: NonNullable<OpenService["metrics"]>;
}

/** Tells how old prices are and what fetching them came to. */
export function priceMetrics(pool: ConnectionPool, maxPriceAgeSeconds: number): PriceMetrics {
  let newest: { readonly ageSeconds: number; readonly seenAt: number } | undefined;
  let timer: NodeJS.Timeout | undefined;
  for (const provider of PROVIDERS) for (const outcome of OUTCOMES) fetches.labels(provider, outcome).inc(0);

  async function look(): Promise<void> {
    const statement = { name: "market.prices.look", text: LOOK, values: [maxPriceAgeSeconds] };
    const [row] = await pool.query<{ age_seconds: number | null; stale: number; all: number }>(statement);
    if (!row) return;
    newest =
      row.age_seconds === null ? undefined : { ageSeconds: row.age_seconds, seenAt: performance.now() };
    assets.labels("stale").set(row.stale);
    assets.labels("fresh").set(row.all - row.stale);
  }
  // While the database is away, what was last seen grows older.
  const lookQuietly = () => look().catch(() => undefined);

  return {
    fetched: (provider, outcome) => fetches.labels(provider, outcome).inc(),
    async begin() {
      await lookQuietly();
      timer = setInterval(lookQuietly, INTERVAL_MS).unref();
    },
    end: () => clearInterval(timer),
    registered: {
      metrics: [fetches, newestAge, assets],
      collect() {
        if (newest) newestAge.set(newest.ageSeconds + (performance.now() - newest.seenAt) / 1000);
      },
    },
  };
}
