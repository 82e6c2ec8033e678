import { describe, expect, it } from "@jest/globals";
import { alerts, dashboards, expressions, runbook } from "./files.ts";
import { metricsIn } from "./promql.ts";

const sections = [...runbook.matchAll(/^### (.+)$/gm)].map(([, title]) => title as string);

describe("the dashboards", () => {
  it("have identities and panel numbers of their own", () => {
    const uids = dashboards.map(({ dashboard }) => dashboard.uid);
    expect(new Set(uids).size).toBe(uids.length);
    for (const { dashboard } of dashboards) {
      const ids = dashboard.panels.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
    }
  });

  it("show P50, P95 and P99 of routes and actions", () => {
    for (const metric of ["http_server_request_duration_seconds", "rpc_server_call_duration_seconds"])
      for (const quantile of ["0.5", "0.95", "0.99"])
        expect(
          expressions.filter(
            ({ text }) => text.startsWith(`histogram_quantile(${quantile},`) && text.includes(metric),
          ),
        ).toHaveLength(1);
  });
});

describe("the alerts", () => {
  it("each have their section in the runbook, and the runbook has no others", () => {
    expect(alerts.map(({ alert }) => alert).sort()).toEqual([...sections].sort());
    for (const { alert, annotations } of alerts)
      expect(annotations.runbook).toBe(`docs/runbook.md#${alert.toLowerCase()}`);
  });

  it("burn by both of their windows", () => {
    const burning = alerts.filter(({ alert }) => alert.startsWith("AvailabilityBurns"));
    const found = burning.map(({ expr }) => [...expr.matchAll(/rate(\w+) > ([\d.]+) \* 0\.001/g)]);
    expect(found.map((matches) => matches.map(([, window, rate]) => `${rate}x ${window}`))).toEqual([
      ["14.4x 1h", "14.4x 5m"],
      ["6x 6h", "6x 30m"],
      ["1x 3d", "1x 6h"],
    ]);
  });
});

describe("docs/runbook.md", () => {
  it("refers to sections that exist", () => {
    const anchors = [...runbook.matchAll(/\(#([\w-]+)\)/g)].map(([, anchor]) => anchor);
    const known = sections.map((section) => section.toLowerCase());
    expect(known).toEqual(expect.arrayContaining(anchors));
  });

  it("names only panels that exist", () => {
    const titles = dashboards.flatMap(({ dashboard }) => [
      dashboard.title,
      ...dashboard.panels.map(({ title }) => title),
    ]);
    const named = [...runbook.matchAll(/"([A-Z][^"]+)"/g)].map(([, title]) => title?.replace(/\s+/g, " "));
    expect(titles).toEqual(expect.arrayContaining(named));
  });
});

describe("PromQL", () => {
  it.each(expressions)("of $where parses and names its metrics", ({ text }) => {
    expect(() => metricsIn(text)).not.toThrow();
  });

  it.each(["sum by (rate(up[5m])", "rate(up[5m)", "up ==", "up{service=}", '{service="auth"}'])(
    "refuses %s",
    (text) => {
      expect(() => metricsIn(text)).toThrow();
    },
  );
});
