/** A figure, or the reason why it cannot be computed. */
export type Figure<Reason extends string> =
  | { readonly value: string; readonly reason: null }
  | { readonly value: null; readonly reason: Reason };

export function known(value: string): { readonly value: string; readonly reason: null } {
  return { value, reason: null };
}

export function unknown<Reason extends string>(
  reason: Reason,
): { readonly value: null; readonly reason: Reason } {
  return { value: null, reason };
}
