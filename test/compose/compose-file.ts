import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { ROOT } from "../k8s/support/code.ts";

/** A service of docker-compose.yml, as far as the tests look into it; the schema checks the rest. */
export interface ComposeService {
  readonly image: string;
  readonly build?: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly networks?: readonly string[] | Readonly<Record<string, unknown>>;
  readonly network_mode?: string;
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly container_name?: string;
  readonly privileged?: boolean;
  readonly stop_grace_period?: string;
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<
    Record<string, { readonly internal?: boolean; readonly driver_opts?: object } | null>
  >;
  readonly volumes: Readonly<Record<string, null>>;
}

export const composeText = readFileSync(join(ROOT, "docker-compose.yml"), "utf8");

/** docker-compose.yml as Compose reads it when no variable is set: defaults in their places, `$$` as `$`. */
export const compose = parse(composeText.replaceAll(/\$\{\w+:-([^}]*)\}/g, "$1").replaceAll("$$", "$"), {
  merge: true,
}) as ComposeFile;

/** The variables that a person may set for Compose. */
export const composeVariables = [...new Set([...composeText.matchAll(/\$\{(\w+)/g)].map(([, name]) => name))];

export function service(name: string): ComposeService {
  const found = compose.services[name];
  if (!found) throw new Error(`docker-compose.yml has no service ${name}`);
  return found;
}

export function networksOf({ networks = [] }: ComposeService): readonly string[] {
  return Array.isArray(networks) ? networks : Object.keys(networks);
}
