import { z } from "zod";
import { accountsVariables } from "../../services/accounts/config.ts";
import { connectorVariables } from "../../services/accounts/connectors/config.ts";
import { authVariables } from "../../services/auth/config.ts";
import { processVariables } from "../../services/common/broker-config.ts";
import type { Variable, Variables } from "../../services/common/config.ts";
import { databaseVariables } from "../../services/common/database/config.ts";
import { outgoingVariables } from "../../services/common/outgoing/config.ts";
import { tracingVariables } from "../../services/common/tracing/config.ts";
import { gatewayVariables } from "../../services/gateway/config.ts";
import { marketVariables } from "../../services/market/config.ts";
import { portfoliosVariables } from "../../services/portfolios/config.ts";

const groups: Readonly<Record<string, Variables>> = {
  "every process": { ...processVariables, ...tracingVariables },
  gateway: gatewayVariables,
  auth: authVariables,
  portfolios: portfoliosVariables,
  accounts: { ...accountsVariables, ...connectorVariables },
  market: marketVariables,
  "accounts, market": outgoingVariables,
  "all but gateway": databaseVariables,
};

/** The README's table of settings, made from what the services read. */
export function settingsTable(): string {
  const rows = Object.entries(groups).flatMap(([services, variables]) =>
    Object.values(variables).map(
      (variable) =>
        `| ${services} | ${nameOf(variable)} | ${defaultOf(variable)} | ${variable.description} |`,
    ),
  );
  return ["| read by | variable | default | meaning |", "|---|---|---|---|", ...rows].join("\n");
}

function nameOf({ name, secret }: Variable): string {
  return secret ? `\`${name}\`, or \`${name}_FILE\`` : `\`${name}\``;
}

function defaultOf({ schema }: Variable): string {
  // What it would be as text in the environment, where reading makes something else of it.
  if (schema instanceof z.ZodPrefault) return String(schema.def.defaultValue);
  const absent = schema.safeParse(undefined);
  if (!absent.success) return "required";
  return absent.data === undefined || String(absent.data) === "" ? "–" : String(absent.data);
}
