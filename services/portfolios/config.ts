import {
  cronSchedule,
  type Environment,
  flag,
  positiveInteger,
  readSettings,
  type Settings,
  variable,
} from "../common/config.ts";

export const portfoliosVariables = {
  isEndOfDayEnabled: variable(
    "EOD_SNAPSHOT_ENABLED",
    flag(true),
    "Whether end-of-day snapshots are taken of all portfolios with accounts.",
  ),
  endOfDayCron: variable(
    "EOD_SNAPSHOT_SCHEDULE",
    cronSchedule("0 0 23 * * *"),
    "When: six fields, seconds first, UTC. Missed ones are taken up to 12 hours late.",
  ),
  isHourlyEnabled: variable(
    "HOURLY_SNAPSHOT_ENABLED",
    flag(true),
    "Whether hourly snapshots are taken, too, and drift is looked for with them.",
  ),
  hourlyCron: variable(
    "HOURLY_SNAPSHOT_SCHEDULE",
    cronSchedule("0 0 * * * *"),
    "When: six fields, seconds first, UTC. Missed ones are taken up to an hour late.",
  ),
  hourlyDays: variable(
    "HOURLY_SNAPSHOT_DAYS",
    positiveInteger(7, 3_650),
    "Hourly snapshots of so many days are kept; the others stay.",
  ),
} as const;

export type PortfoliosConfig = Settings<typeof portfoliosVariables>;

/** @throws {ConfigurationError} naming each wrong variable. */
export function readPortfoliosConfig(environment: Environment): PortfoliosConfig {
  return readSettings(portfoliosVariables, environment);
}
