/** Whether a price of this time is older than prices may be. Both times are RFC 3339. */
export function isStale(asOf: string, now: string, maxAgeSeconds: number): boolean {
  return Date.parse(now) - Date.parse(asOf) > maxAgeSeconds * 1000;
}
