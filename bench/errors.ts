/** Something that the person at the terminal has to know: its message is told without a stack. */
export class BenchError extends Error {
  override readonly name = "BenchError";
}
