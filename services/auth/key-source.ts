import type { CryptoKey } from "jose";
import { COOLDOWN_MS, KeyRefresh, type KeySourceOptions } from "./key-refresh.ts";
import type { IssuerKeys, WantedKey } from "./signature.ts";

/** How many tokens may wait for an unknown key at once. */
const MAX_WAITING = 1_000;

/**
 * The keys of one issuer, and what to do about a token whose key is not among them.
 *
 * It may be signed with a key that is newer than the set, so unknown keys have a fetch of their own per cooldown, beside
 * the regular ones. Within that cooldown, a token is plainly refused if it was issued before the last fetch, which would
 * have shown its key; else it waits for the next fetch, because nothing sooner tells a good token from a bad one. So no
 * good token is refused, and no flood of bad ones makes more than one fetch per cooldown.
 */
export class KeySource implements IssuerKeys {
  readonly #clock: KeySourceOptions["clock"];
  readonly #refresh: KeyRefresh;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #nextAsking: Promise<void> | undefined;
  #waiting = 0;

  constructor(options: KeySourceOptions) {
    this.#clock = options.clock;
    this.#refresh = new KeyRefresh(options);
  }

  /** Takes up the stored set, and begins to fetch a new one if it is not fresh; the issuer may be down meanwhile. */
  open(): Promise<void> {
    return this.#refresh.open();
  }

  /** Fetches the set again in time; call it about every second. */
  upkeep(): void {
    this.#refresh.upkeep();
  }

  /** Ends what is under way; tokens that wait are answered with ISSUER_UNAVAILABLE. */
  close(): Promise<void> {
    return this.#refresh.close();
  }

  async find(wanted: WantedKey): Promise<readonly CryptoKey[]> {
    const { keySet } = await this.#refresh.usable();
    const keys = keySet.find(wanted.algorithm, wanted.keyId);
    const isUnknown = wanted.keyId !== undefined && !keySet.hasId(wanted.keyId);
    return isUnknown ? await this.#findNew(wanted) : keys;
  }

  async #findNew(wanted: WantedKey): Promise<readonly CryptoKey[]> {
    if (this.#refresh.fetching) {
      await this.#refresh.fetching;
      const keys = this.#lookUp(wanted);
      if (keys.length > 0) return keys;
    }
    // A fetch that has begun since then asks for this token too.
    if (this.#refresh.fetching) await this.#refresh.fetching;
    else if (this.#untilAskingMs() <= 0) await this.#ask();
    else if (this.#wouldShow(wanted)) return [];
    else if (this.#refresh.failure) throw this.#refresh.unavailable();
    else await this.#waitToAsk();
    const keys = this.#lookUp(wanted);
    if (keys.length === 0 && this.#refresh.failure && !this.#wouldShow(wanted)) {
      throw this.#refresh.unavailable();
    }
    return keys;
  }

  #lookUp({ algorithm, keyId }: WantedKey): readonly CryptoKey[] {
    return this.#refresh.current?.keySet.find(algorithm, keyId) ?? [];
  }

  /** Whether the set is of a time after the token was issued, so that it would show the token's key. */
  #wouldShow({ issuedAt }: WantedKey): boolean {
    return issuedAt <= Math.floor((this.#refresh.current?.statedAtMs ?? 0) / 1000);
  }

  #untilAskingMs(): number {
    const sinceAskedMs = Math.abs(this.#clock.now() - this.#askedAtMs);
    return Math.max(COOLDOWN_MS - sinceAskedMs, this.#refresh.cooldownMs());
  }

  #ask(): Promise<void> {
    this.#askedAtMs = this.#clock.now();
    return this.#refresh.fetch();
  }

  /** Waits until the issuer may be asked, and asks it once for all who wait. */
  async #waitToAsk(): Promise<void> {
    if (this.#waiting >= MAX_WAITING) throw this.#refresh.unavailable();
    this.#waiting += 1;
    this.#nextAsking ??= this.#askLater().finally(() => {
      this.#nextAsking = undefined;
    });
    await this.#nextAsking.finally(() => {
      this.#waiting -= 1;
    });
  }

  async #askLater(): Promise<void> {
    await this.#clock.sleep(this.#untilAskingMs(), this.#refresh.signal).catch(() => {
      throw this.#refresh.unavailable();
    });
    if (this.#refresh.fetching) await this.#refresh.fetching;
    else if (this.#untilAskingMs() <= 0) await this.#ask();
  }
}
