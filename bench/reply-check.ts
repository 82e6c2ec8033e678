import { isDeepStrictEqual } from "node:util";
import { type PortfolioReply, seededPortfolios, seededUser } from "./seed.ts";

/** What is wrong with a reply, in few words, so that equal faults can be counted; undefined when it is right. */
export type Fault = string | undefined;

/**
 * Checks lists by content, every one of them: the first of a user member by member against the seeded data, the
 * following ones against the very text that passed, which costs next to nothing.
 */
export function listChecker(): (userNumber: number, status: number, body: string) => Fault {
  const passed = new Map<number, string>();
  return (userNumber, status, body) => {
    if (status !== 200) return statusFault(status, body);
    if (passed.get(userNumber) === body) return undefined;
    const fault = listFault(body, seededPortfolios(userNumber));
    if (!fault) passed.set(userNumber, body);
    return fault;
  };
}

/** Compares a list with what it must be. */
export function listFault(body: string, expected: readonly PortfolioReply[]): Fault {
  const list = parse(body);
  if (!Array.isArray(list)) return "200 whose body is no JSON array";
  if (list.length !== expected.length)
    return `list of ${list.length} portfolios instead of ${expected.length}`;
  for (const [index, portfolio] of expected.entries()) {
    const member = differingMember(list[index], portfolio);
    if (member) return `list whose portfolio ${index + 1} differs in ${member}`;
  }
  return undefined;
}

/** Checks the reply to a POST against what was posted and by whom. */
export function writeFault(status: number, body: string, userNumber: number, name: string): Fault {
  if (status !== 201) return statusFault(status, body);
  const made = parse(body) as Partial<PortfolioReply> | undefined;
  const expected = { user_id: seededUser(userNumber).id, name, is_default: false, version: 1 };
  for (const [member, value] of Object.entries(expected)) {
    if (made?.[member as keyof PortfolioReply] !== value) return `201 that differs in ${member}`;
  }
  if (typeof made?.id !== "string" || made.created_at === undefined) return "201 without id or created_at";
  return undefined;
}

export function statusFault(status: number, body: string): string {
  return `status ${status}: ${body.slice(0, 200)}`;
}

export function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function differingMember(actual: unknown, expected: PortfolioReply): Fault {
  if (typeof actual !== "object" || actual === null) return "kind";
  const members = new Set([...Object.keys(expected), ...Object.keys(actual)]);
  for (const member of members) {
    const pair = [actual, expected].map(
      (portfolio) => (portfolio as unknown as Record<string, unknown>)[member],
    );
    if (!isDeepStrictEqual(pair[0], pair[1])) return member;
  }
  return undefined;
}
