/** What an error says, and what was behind it, as one sentence after another. */
export function causesOf({ message, cause }: Error): string {
  return cause instanceof Error ? `${message} ${causesOf(cause)}` : message;
}
