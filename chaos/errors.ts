/** Something that the person at the terminal has to know: its message is told without a stack. */
export class ChaosError extends Error {
  override readonly name = "ChaosError";
}
