/** Milliseconds since 1970 with fractions: the same in all processes of this machine, and never set back meanwhile. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
