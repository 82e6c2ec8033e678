import pg from "pg";
import { RENAMED_PORTFOLIO, seededPortfolios } from "./seed.ts";

export interface RenameCounts {
  readonly renames: number;
  /** Requests that were their user's first after a rename: those that prove something. */
  readonly firstAfterRename: number;
}

/** Portfolios that are being renamed behind the systems' backs. */
export interface Renames {
  /**
   * The newest name of a user's portfolio that is known to be committed: 0 as seeded, then 1, 2, …
   * To be asked when a request is made, because the requests that are the first after a rename are counted.
   */
  revisionToShow(userNumber: number): number;
  stop(): Promise<RenameCounts>;
}

const NAME_PREFIX = "Renamed ";

export function revisedName(revision: number): string {
  return `${NAME_PREFIX}${revision}`;
}

/** The revision that a name shows; 0 for a name that no rename gave. */
export function nameRevision(name: unknown): number {
  return typeof name === "string" && name.startsWith(NAME_PREFIX)
    ? Number(name.slice(NAME_PREFIX.length))
    : 0;
}

/** Renames one portfolio of each user in turn, straight in the database, without a pause, until stopped. */
export async function startRenames(databaseUrl: string, userNumbers: readonly number[]): Promise<Renames> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: "bench-renames" });
  // A lost connection also fails the rename that is under way, and that is what is reported.
  client.on("error", () => {});
  await client.connect();
  const revisions = new Map<number, number>();
  const asked = new Map<number, number>();
  let firstAfterRename = 0;
  let stopping = false;
  let count = 0;

  async function renameUntilStopped(): Promise<void> {
    while (!stopping) {
      const userNumber = userNumbers[count % userNumbers.length] as number;
      const revision = (revisions.get(userNumber) ?? 0) + 1;
      const id = seededPortfolios(userNumber)[RENAMED_PORTFOLIO]?.id;
      await client.query({
        name: "rename",
        text: "update portfolios.portfolios set name = $2 where id = $1",
        values: [id, revisedName(revision)],
      });
      // Only now: a request made before this line may still be answered with the older name.
      revisions.set(userNumber, revision);
      count += 1;
    }
  }

  const renaming = renameUntilStopped();
  // Whoever stops it gets the error; until then it must not count as unhandled.
  renaming.catch(() => {});
  return {
    revisionToShow(userNumber) {
      const revision = revisions.get(userNumber) ?? 0;
      if (revision > (asked.get(userNumber) ?? 0)) firstAfterRename += 1;
      asked.set(userNumber, revision);
      return revision;
    },
    async stop() {
      stopping = true;
      try {
        await renaming;
        return { renames: count, firstAfterRename };
      } finally {
        await client.end();
      }
    },
  };
}
