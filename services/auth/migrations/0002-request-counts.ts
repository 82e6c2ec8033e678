import { Migration } from "@mikro-orm/migrations";

/** How many requests each caller's gateways have let through. */
export class CreateRequestCounts extends Migration {
  override async up(): Promise<void> {
    // Unlogged: written by the second, of no worth after two windows, and after a crash counting may begin anew.
    this.addSql(`
      create unlogged table auth.request_counts (
        caller text not null,
        window_started_at timestamptz not null,
        expires_at timestamptz not null,
        requests integer not null,
        primary key (caller, window_started_at)
      )`);
    this.addSql("create index request_counts_by_expiry on auth.request_counts (expires_at)");
  }
}
