/**
 * PostgreSQL's text of a `timestamptz(3)` in a UTC session as the wire's RFC 3339:
 * `2026-01-31 09:30:00.12+00` becomes `2026-01-31T09:30:00.120Z`.
 */
export function isoTime(text: string): string {
  const milliseconds =
    text.charAt(19) === "." ? text.slice(20, text.indexOf(text.endsWith("Z") ? "Z" : "+", 20)) : "";
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${milliseconds.padEnd(3, "0")}Z`;
}
