import { z } from "zod";
import { ConfigurationError, type Environment, readSettings, variable } from "../config.ts";
import { KNOWN_HOSTS, type OutgoingRules, permissionFor } from "./hosts.ts";

const MAX_HOSTS = 200;
const HOST = /^(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::[1-9]\d{0,4})?$/;
const PRIVATE_HOST = /^(?:[a-z0-9.-]+|\[[0-9a-f:.]+\]):[1-9]\d{0,4}$/;
/** In a list of hosts it stands for all that are known. */
const KNOWN = "known";

export const outgoingVariables = {
  hosts: variable(
    "OUTGOING_HOSTS",
    listOf(
      (entry) => entry === KNOWN || HOST.test(entry),
      `must be a comma separated list of hosts, *.suffix for all below one, or ${KNOWN}`,
    ).optional(),
    `Hosts that may be asked, over https, comma separated; \`*.suffix\` for all below one, \`${KNOWN}\` for the exchanges, nodes and price providers that are known. Unless set: those. Hosts of URLs in other settings may be asked anyway.`,
  ),
  privateHosts: variable(
    "OUTGOING_PRIVATE_HOSTS",
    listOf((entry) => PRIVATE_HOST.test(entry), "must be a comma separated list of host:port").default([]),
    "Hosts, each as `host:port`, that may be asked although they are at a private address, also without TLS.",
  ),
} as const;

/**
 * Where requests may go.
 * @param urls those that other settings name, by their variables: their hosts may be asked too.
 * @throws {ConfigurationError} naming each wrong variable.
 */
export function readOutgoingRules(
  environment: Environment,
  urls: readonly (readonly [variable: string, url: string])[] = [],
): OutgoingRules {
  const { hosts, privateHosts } = readSettings(outgoingVariables, environment);
  const listed = hosts?.flatMap((host) => (host === KNOWN ? KNOWN_HOSTS : [host])) ?? KNOWN_HOSTS;
  const parsed = urls.map(([name, text]) => [name, new URL(text)] as const);
  const named = parsed.map(([, { host, hostname, port }]) => (port === "" ? hostname : host));
  const rules = { hosts: [...listed, ...named], privateHosts };
  const faults = parsed
    .filter(([, url]) => permissionFor(rules, url) === undefined)
    .map(
      ([name, { host }]) =>
        `${name} must be a URL that starts with https:// and is at a public host; for ${host} name it, with its port, in OUTGOING_PRIVATE_HOSTS.`,
    );
  if (faults.length > 0) throw new ConfigurationError(faults.join("\n"));
  return rules;
}

function listOf(isEntry: (entry: string) => boolean, must: string) {
  return z
    .string(must)
    .transform((text) => text.split(",").map((entry) => entry.trim().toLowerCase()))
    .refine((entries) => entries.length <= MAX_HOSTS && entries.every(isEntry), must);
}
