/**
 * PostgreSQL's text of a `timestamptz` in a UTC session as the wire's RFC 3339:
 * `2026-01-31 09:30:00.12+00` becomes `2026-01-31T09:30:00.120Z`.
 * @param digits of the fraction of a second; 6 are all that PostgreSQL has.
 */
export function isoTime(text: string, digits = 3): string {
  const fraction = text.charAt(19) === "." ? text.slice(20).replace(/\D.*$/, "") : "";
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${fraction.slice(0, digits).padEnd(digits, "0")}Z`;
}
