import { join } from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { ROOT } from "../../k8s/support/code.ts";
import { alerts } from "../files.ts";
import { cleanDay, DAY_MINUTES, type Day, inputSeries } from "./clean-day.ts";
import { FAULT_MINUTE, type Fault, faults } from "./faults.ts";
import { obtainPromtool, promtool, testRules } from "./promtool.ts";

const RULES = join(ROOT, "deploy/prometheus/butler.rules.yml");
/** What came before: with it, the release. */
const BEGIN_MINUTE = 580;
const AFTER_MINUTES = FAULT_MINUTE - BEGIN_MINUTE;
/** With room for a busy machine. */
const TEST_MS = 200_000;

beforeAll(async () => {
  await obtainPromtool();
}, 180_000);

interface Expectations {
  readonly alert_rule_test?: readonly object[];
  readonly promql_expr_test?: readonly object[];
}

/** What promtool says against a day; nothing when it is as expected. */
function verdict(day: Day, from: number, to: number, expected: Expectations): Promise<string> {
  const test = { interval: "1m", input_series: inputSeries(day, from, to), ...expected };
  return testRules({ rule_files: [RULES], evaluation_interval: "1m", tests: [test] });
}

/** Which alerts have fired until then, each by its name. */
function firedUntil(minute: number, names: readonly string[]) {
  return {
    expr: `count by (alertname) (last_over_time(ALERTS{alertstate="firing"}[${minute + 1}m])) > bool 0`,
    eval_time: `${minute}m`,
    exp_samples: names.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
  };
}

function expectationsOf(fault: Fault): Expectations {
  const { alert, labels, summary, others = [], quietUntil, firesAt } = fault;
  const runbook = `docs/runbook.md#${alert.toLowerCase()}`;
  return {
    alert_rule_test: [
      {
        eval_time: `${AFTER_MINUTES + firesAt}m`,
        alertname: alert,
        exp_alerts: [{ exp_labels: labels, exp_annotations: { summary, runbook } }],
      },
    ],
    promql_expr_test: [
      firedUntil(AFTER_MINUTES + quietUntil, []),
      firedUntil(AFTER_MINUTES + firesAt, [alert, ...others]),
    ],
  };
}

describe("the alerts on a clean day", () => {
  it(
    "are silent from its begin to its end; some are pending, and would not be silent if peaks lasted",
    async () => {
      const pending = {
        expr: `count(count by (alertname) (last_over_time(ALERTS{alertstate="pending"}[${DAY_MINUTES}m]))) > bool 2`,
        eval_time: `${DAY_MINUTES}m`,
        exp_samples: [{ labels: "{}", value: 1 }],
      };
      const expected = { promql_expr_test: [firedUntil(DAY_MINUTES, []), pending] };
      expect(await verdict(cleanDay, 0, DAY_MINUTES, expected)).toBe("");
    },
    TEST_MS,
  );
});

describe("the alerts on a fault", () => {
  it.each(faults)(
    "$alert fires when $what, and no other",
    async (fault) => {
      const end = FAULT_MINUTE + fault.firesAt;
      expect(await verdict(fault.day, BEGIN_MINUTE, end, expectationsOf(fault))).toBe("");
    },
    TEST_MS,
  );

  it("each have one that they fire on", () => {
    const told = new Set(faults.map(({ alert }) => alert));
    expect([...told].sort()).toEqual(alerts.map(({ alert }) => alert).sort());
  });

  it(
    "are not believed to fire where they do not",
    async () => {
      const [fault] = faults as [Fault];
      const end = FAULT_MINUTE + fault.firesAt;
      expect(await verdict(cleanDay, BEGIN_MINUTE, end, expectationsOf(fault))).toContain("FAILED");
    },
    TEST_MS,
  );

  it(
    "do not wake anybody for a single failure at night",
    async () => {
      const quiet: Day = new Map(
        [...cleanDay].map(([name, values]) => {
          if (!name.startsWith("http_server_request_duration_seconds_count")) return [name, values];
          const failure = name.includes('"503"') ? 1 : 0;
          // One request a minute, of which a single one fails.
          return [name, (minute) => (failure === 0 ? minute : Number(minute >= FAULT_MINUTE))];
        }),
      );
      const isSilent = { promql_expr_test: [firedUntil(AFTER_MINUTES + 60, [])] };
      expect(await verdict(quiet, BEGIN_MINUTE, FAULT_MINUTE + 60, isSilent)).toBe("");
    },
    TEST_MS,
  );
});

describe("Prometheus", () => {
  it("takes the rules", async () => {
    expect(await promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)).toBe("");
  });

  it("takes compose's configuration", async () => {
    expect(await promtool("check", "config", join(ROOT, "deploy/compose/prometheus.yml"))).toBe("");
  });
});
