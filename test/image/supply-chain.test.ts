import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import { billOfMaterials } from "../../scripts/release/bill-of-materials.ts";
import { changelog } from "../../scripts/release/changelog.ts";
import { licenceTable, notAllowed } from "../../scripts/release/licences.ts";
import { productionPackages } from "../../scripts/release/production-packages.ts";
import { faultsBySchema } from "../compose/schemas.ts";
import { ROOT } from "../k8s/support/code.ts";

const run = promisify(execFile);

interface Job {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly "timeout-minutes"?: number;
  readonly steps: readonly {
    readonly uses?: string;
    readonly run?: string;
    readonly with?: Record<string, unknown>;
  }[];
}
interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: object;
  readonly jobs: Readonly<Record<string, Job>>;
}

describe("the GitHub workflows", () => {
  const folder = join(ROOT, ".github/workflows");
  let texts: readonly string[];
  let workflows: readonly Workflow[];
  beforeAll(async () => {
    const names = await readdir(folder);
    texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
    workflows = texts.map((text) => parse(text) as Workflow);
  });
  const jobs = () => workflows.flatMap((workflow) => Object.values(workflow.jobs));
  const steps = () => jobs().flatMap((job) => job.steps);

  it("are as GitHub's schema says", async () => {
    expect(workflows.length).toBeGreaterThan(0);
    for (const workflow of workflows) expect(await faultsBySchema("github-workflows", workflow)).toEqual([]);
  }, 120_000);

  it("use actions by digest, with their version beside it", () => {
    const lines = texts.flatMap((text) => text.split("\n")).filter((line) => /^\s*(- )?uses:/.test(line));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.filter((line) => !/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual(
      [],
    );
  });

  it("have no rights but those that a job names, and to write only where a release is published", () => {
    for (const { permissions, on } of workflows) {
      expect(permissions).toEqual({});
      expect(on).not.toHaveProperty("pull_request_target");
    }
    const ofPullRequests = workflows
      .filter(({ on }) => "pull_request" in on)
      .flatMap((each) => Object.values(each.jobs));
    expect(ofPullRequests.map(({ permissions }) => permissions)).toEqual(
      ofPullRequests.map(() => ({ contents: "read" })),
    );
    expect(
      jobs().filter((job) => job.permissions === undefined || job["timeout-minutes"] === undefined),
    ).toEqual([]);
  });

  it("leave no credentials behind, and put nothing that others write into a shell", () => {
    const checkouts = steps().filter(({ uses }) => uses?.startsWith("actions/checkout@"));
    expect(checkouts.filter((step) => step.with?.["persist-credentials"] !== false)).toEqual([]);
    expect(steps().filter((step) => step.run?.includes("${{"))).toEqual([]);
  });

  it("bring the tests what GitHub's machine does not have", () => {
    const running = jobs().filter((job) => job.steps.some((step) => step.run === "bash .ci/run"));
    expect(running.length).toBeGreaterThan(0);
    for (const { steps: all } of running) {
      const before = all.slice(
        0,
        all.findIndex((step) => step.run === "bash .ci/run"),
      );
      for (const tool of ["pgbouncer", "prometheus"])
        expect(before.some((step) => step.run?.match(`install .*\\b${tool}\\b`))).toBe(true);
    }
  });

  it("run what a developer's machine runs, on the Node of package.json", async () => {
    expect(steps().map((step) => step.run)).toContain("bash .ci/run");
    expect(steps().map((step) => step.run)).toContain("npm audit signatures");
    const { dependencies } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
    const setups = steps().filter(({ uses }) => uses?.startsWith("actions/setup-node@"));
    expect(setups.map((step) => step.with?.["node-version"])).toEqual(setups.map(() => dependencies.node));
  });
});

describe("renovate.json", () => {
  it("is as Renovate's schema says", async () => {
    const configuration = JSON.parse(await readFile(join(ROOT, "renovate.json"), "utf8"));
    expect(await faultsBySchema("renovate", configuration)).toEqual([]);
    expect(await faultsBySchema("renovate", { ...configuration, schedule: 6 })).not.toEqual([]);
  }, 120_000);
});

describe("what tests and npm start fetch with pip", () => {
  const folders = ["scripts", "test"];
  interface Manager {
    readonly managerFilePatterns: readonly string[];
    readonly matchStrings: readonly string[];
  }

  it("is known to Renovate, each where it stands", async () => {
    const configuration = JSON.parse(await readFile(join(ROOT, "renovate.json"), "utf8"));
    const managers = configuration.customManagers as readonly Manager[];
    const names = await Promise.all(
      folders.map((folder) => readdir(join(ROOT, folder), { recursive: true })),
    );
    const paths = folders.flatMap((folder, index) => (names[index] ?? []).map((name) => `${folder}/${name}`));
    const found: string[] = [];
    const pinned: string[] = [];
    for (const path of paths.filter((each) => each.endsWith(".ts"))) {
      const text = await readFile(join(ROOT, path), "utf8");
      if (text.includes("--hash=sha256:")) pinned.push(path);
      const isManaged = managers.some(
        ({ managerFilePatterns, matchStrings }) =>
          managerFilePatterns.some((pattern) => new RegExp(pattern.slice(1, -1)).test(path)) &&
          matchStrings.some((pattern) => new RegExp(pattern).test(text)),
      );
      if (isManaged) found.push(path);
    }
    expect(pinned.length).toBeGreaterThan(2);
    const withRequirement = pinned.filter((path) => path !== "test/image/supply-chain.test.ts");
    expect(withRequirement.filter((path) => !found.includes(path))).toEqual([]);
  });
});

describe("the dependencies", () => {
  it("are exact versions", async () => {
    const { dependencies, devDependencies } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
    const versions = Object.entries<string>({ ...dependencies, ...devDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
  });

  it("of production have licences that allow to use them", async () => {
    const packages = await productionPackages(ROOT);
    expect(notAllowed(packages)).toEqual([]);
    expect(licenceTable(packages)).toContain("| pg | ");
    const foreign = { name: "copyleft", version: "1.0.0", licence: "AGPL-3.0-only" };
    expect(notAllowed([...packages, foreign, { ...foreign, licence: "" }])).toHaveLength(2);
  });

  it("of production are in the bill of materials, each and no other, the same at each call", async () => {
    const bill = await billOfMaterials(ROOT);
    const packages = (await productionPackages(ROOT)).map(({ name, version }) => `${name}@${version}`);
    expect(bill.components.map((component) => component["bom-ref"]).sort()).toEqual(packages);
    expect(bill.components).toContainEqual(expect.objectContaining({ name: "moleculer" }));
    const references = new Set(bill.components.map((component) => component["bom-ref"]));
    expect(
      bill.dependencies.flatMap(({ dependsOn }) => dependsOn).filter((each) => !references.has(each)),
    ).toEqual([]);
    expect(bill.metadata.component.name).toBe("crypto-pocket-butler");
    expect(await billOfMaterials(ROOT)).toEqual(bill);
    expect(JSON.stringify(bill)).not.toMatch(/"name":"(jest|typescript)"/);
  });
});

describe("changelog", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "butler-changelog-"));
    await git("init", "--quiet");
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function git(...words: string[]): Promise<string> {
    const who = [
      "-c",
      "user.name=a",
      "-c",
      "user.email=a@example.com",
      "-c",
      "commit.gpgsign=false",
      "-c",
      "tag.gpgsign=false",
    ];
    const env = {
      ...process.env,
      GIT_COMMITTER_DATE: "2026-01-02T12:00:00Z",
      GIT_AUTHOR_DATE: "2026-01-02T12:00:00Z",
    };
    return (await run("git", [...who, ...words], { cwd: folder, env })).stdout.trim();
  }
  async function commit(...paragraphs: string[]): Promise<string> {
    const messages = paragraphs.flatMap((paragraph) => ["--message", paragraph]);
    await git("commit", "--quiet", "--allow-empty", ...messages);
    return (await git("rev-parse", "HEAD")).slice(0, 8);
  }

  it("tells by release what was added, repaired and broken, and nothing else", async () => {
    const first = await commit("feat: the first thing; and more of it");
    await commit("test: much");
    await git("tag", "v1.0.0");
    await commit("a subject of another form");
    const fix = await commit("fix(auth): refuse it; docs: what is refused; perf: at once");
    const bang = await commit("feat(api)!: another shape");
    const footer = await commit("refactor: names", "Why.", "BREAKING CHANGE: settings have other names");
    expect((await changelog(folder)).split("\n").slice(5)).toEqual([
      "## Unreleased",
      "",
      "### Breaking",
      "",
      `- names (${footer})`,
      `- **api**: another shape (${bang})`,
      "",
      "### Fixed",
      "",
      `- **auth**: refuse it (${fix})`,
      "",
      "### Faster",
      "",
      `- at once (${fix})`,
      "",
      "## 1.0.0 (2026-01-02)",
      "",
      "### Added",
      "",
      `- the first thing; and more of it (${first})`,
      "",
    ]);
  });

  it("is committed", async () => {
    expect(await readFile(join(ROOT, "CHANGELOG.md"), "utf8")).toMatch(
      /^# Changelog\n\nMade from the commits/,
    );
  });
});
