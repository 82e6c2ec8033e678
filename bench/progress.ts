const COLUMNS_UNLESS_KNOWN = 80;

/** On a terminal, one line that is rewritten; else a plain line each. On stderr, so that the tables can be piped. */
export class Progress {
  readonly #stream = process.stderr;
  #step = "";
  #before = "";

  /** A step begins. */
  step(text: string): void {
    this.#step = text;
    if (this.#stream.isTTY) this.#rewrite(`${text}${this.#before}`);
    else this.#stream.write(`${text}\n`);
  }

  /** What came of the step, in few words; a terminal shows it beside the next step. */
  outcome(text: string): void {
    if (this.#stream.isTTY) this.#before = ` (before: ${text})`;
    else this.#stream.write(`  ${text}\n`);
  }

  /** How far the step is, 0 to 1; only a terminal shows it. */
  share(share: number): void {
    if (this.#stream.isTTY) this.#rewrite(`${this.#step}, ${Math.round(share * 100)} %${this.#before}`);
  }

  /** Makes room for other output. */
  clear(): void {
    if (this.#stream.isTTY) this.#rewrite("");
  }

  #rewrite(text: string): void {
    this.#stream.cursorTo(0);
    this.#stream.write(text.slice(0, (this.#stream.columns || COLUMNS_UNLESS_KNOWN) - 1));
    this.#stream.clearLine(1);
  }
}
