import type { Revocation, RevocationPosition } from "../auth/contract.ts";
import type { RevocationKeys } from "../common/revocation-key.ts";

export interface RevocationListOptions {
  /** The revocations after a position, one page; undefined: from the first. */
  readonly fetch: (after: RevocationPosition | undefined) => Promise<readonly Revocation[]>;
  readonly pageSize: number;
  /** Told once when the list can no longer be had, and once when it can again. */
  readonly log: { warn(message: string): void; info(message: string): void };
}

const REFRESH_INTERVAL_MS = 500;
/** A revocation takes effect within this, whatever gets lost: an older list is not believed. */
const MAX_AGE_MS = 1_500;
/** Transactions may commit later than their time says: each refresh looks back as far as this. */
const OVERLAP_MS = 10_000;

/**
 * The gateway's copy of what is revoked, so that a remembered principal costs no hop. It is fetched anew twice a second
 * (events could get lost), and when it could not be, it says of itself that it is too old: then `auth` is asked about each token.
 */
export class RevocationList {
  readonly #options: RevocationListOptions;
  readonly #revoked = new Map<string, { readonly revokedAtMs: number; readonly expiresAtMs: number }>();
  #newestMs = Number.NEGATIVE_INFINITY;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #failed = false;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: RevocationListOptions) {
    this.#options = options;
  }

  /** Keeps the list fresh from now on. */
  start(): void {
    const again = async (): Promise<void> => {
      await this.refresh();
      if (!this.#stopped) this.#timer = setTimeout(again, REFRESH_INTERVAL_MS).unref();
    };
    void again();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Whether it holds everything that was revoked more than a moment ago. */
  get isFresh(): boolean {
    return performance.now() - this.#fetchedAt < MAX_AGE_MS;
  }

  /** Whether a token of these keys, issued then (seconds since 1970), is revoked. */
  covers({ session, token, identity }: RevocationKeys, issuedAt: number): boolean {
    if (this.#revoked.size === 0) return false;
    if (session !== undefined && this.#revoked.has(`session ${session}`)) return true;
    if (token !== undefined && this.#revoked.has(`token ${token}`)) return true;
    const revocation = this.#revoked.get(`identity ${identity}`);
    return revocation !== undefined && issuedAt * 1000 <= revocation.revokedAtMs;
  }

  /** Fetches what is new. */
  async refresh(): Promise<void> {
    const startedAt = performance.now();
    try {
      let after: RevocationPosition | undefined = Number.isFinite(this.#newestMs)
        ? { revoked_at: new Date(this.#newestMs - OVERLAP_MS).toISOString(), kind: "", key: "" }
        : undefined;
      for (;;) {
        const page = await this.#options.fetch(after);
        for (const revocation of page) this.#add(revocation);
        if (page.length < this.#options.pageSize) break;
        after = positionOf(page.at(-1) as Revocation);
      }
      this.#fetchedAt = startedAt;
      if (this.#failed) this.#options.log.info("Revocations are known again");
      this.#failed = false;
      this.#forgetExpired();
    } catch (error) {
      // Before the first time, auth may only not be there yet; every token is asked about until then.
      if (!this.#failed && this.#fetchedAt > 0)
        this.#options.log.warn(`Revocations cannot be fetched: ${(error as Error).message}`);
      this.#failed = this.#fetchedAt > 0;
    }
  }

  #add({ kind, key, revoked_at, expires_at }: Revocation): void {
    const revokedAtMs = Date.parse(revoked_at);
    this.#newestMs = Math.max(this.#newestMs, revokedAtMs);
    this.#revoked.set(`${kind} ${key}`, { revokedAtMs, expiresAtMs: Date.parse(expires_at) });
  }

  #forgetExpired(): void {
    const now = Date.now();
    for (const [key, { expiresAtMs }] of this.#revoked) if (expiresAtMs < now) this.#revoked.delete(key);
  }
}

function positionOf({ revoked_at, kind, key }: Revocation): RevocationPosition {
  return { revoked_at, kind, key };
}
