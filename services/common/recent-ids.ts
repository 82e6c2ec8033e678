/** Remembers ids for a while, and no more than so many: in two sets, the older of which is forgotten as a whole. */
export class RecentIds {
  readonly #rememberedMs: number;
  readonly #max: number;
  #recent = new Set<string>();
  #earlier = new Set<string>();
  #since = performance.now();

  /** @param rememberedMs at least, twice that at most. @param max of each set. */
  constructor(rememberedMs: number, max: number) {
    this.#rememberedMs = rememberedMs;
    this.#max = max;
  }

  has(id: string | undefined): boolean {
    return id !== undefined && (this.#recent.has(id) || this.#earlier.has(id));
  }

  add(id: string): void {
    const now = performance.now();
    if (this.#recent.size >= this.#max || now - this.#since > this.#rememberedMs) {
      this.#earlier = this.#recent;
      this.#recent = new Set();
      this.#since = now;
    }
    this.#recent.add(id);
  }
}
