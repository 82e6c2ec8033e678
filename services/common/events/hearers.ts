import type { Contract } from "../contract.ts";

/** Who is called with an event, by its name: the full names of actions. */
export type Hearers = ReadonlyMap<string, readonly string[]>;

/**
 * Who hears what, as all contracts say.
 * @throws when one hears an event that none of them tells.
 */
export function hearersOf(contracts: readonly Contract[]): Hearers {
  const hearers = new Map<string, string[]>();
  for (const { events = {} } of contracts) for (const event of Object.keys(events)) hearers.set(event, []);
  for (const { name, actions } of contracts) {
    for (const [action, { hears }] of Object.entries(actions)) {
      if (hears === undefined) continue;
      const actionsThatHear = hearers.get(hears);
      if (!actionsThatHear) throw new Error(`Contract ${name}.${action}: nobody tells the event ${hears}`);
      actionsThatHear.push(`${name}.${action}`);
    }
  }
  return hearers;
}
