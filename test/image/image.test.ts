import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { prepareMountPoints, runInContainer } from "./container.ts";
import { buildImage, type Image, parseDockerfile } from "./dockerfile.ts";
import { type SystemOfContainers, startSystemOfContainers } from "./system-of-containers.ts";
import { listTree, type TreeEntry } from "./tree.ts";

const project = fileURLToPath(new URL("../..", import.meta.url));
const BUILD_TIMEOUT_MS = 300_000;
/** Of all files, as they lie in the image; compressed, as they travel, it is about a third. */
const MAX_BYTES = 250_000_000;

/** Imports whatever a service could ever import: the modules that are loaded only when they are needed, too. */
const IMPORT_EVERYTHING = `
  const { globSync } = await import("node:fs");
  for (const path of globSync("services/**/*.ts", { exclude: ["services/main.ts"] })) await import("/app/" + path);
  const { EXCHANGES } = await import("/app/services/accounts/contract.ts");
  const url = new URL("node_modules/ccxt/js/ccxt.js", "file:///app/");
  for (const id of EXCHANGES) await import(new URL("./src/" + id + ".js", url).href);
  console.log("imported", EXCHANGES.length);
  process.exit(0);
`;

// There is no such image of other systems, and nothing there to restrict a process with.
(process.platform === "linux" ? describe : describe.skip)("the image", () => {
  let folder: string;
  let image: Image;
  let tree: readonly TreeEntry[];
  let otherTree: readonly TreeEntry[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "butler-image-"));
    const [one, other] = await Promise.all(
      ["one", "other"].map((name) => buildImage(project, join(folder, name))),
    );
    image = one as Image;
    [tree, otherTree] = await Promise.all([listTree(image.root), listTree((other as Image).root)]);
    await prepareMountPoints(image);
  }, BUILD_TIMEOUT_MS);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("is the same in every build, to the byte, with permissions and times", () => {
    const lineOf = ({ path, mode, modifiedMs, hash }: TreeEntry) => `${path} ${mode} ${modifiedMs} ${hash}`;
    const lines = new Set(tree.map(lineOf));
    expect(otherTree.filter((entry) => !lines.has(lineOf(entry))).map(({ path }) => path)).toEqual([]);
    expect(otherTree.length).toBe(tree.length);
  });

  it("is smaller than 250 MB, not compressed", () => {
    expect(tree.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(MAX_BYTES);
  });

  it("has one program, Node; no shell, no package manager, nothing that gives rights", () => {
    const programs = tree.filter(({ mode, path }) => (mode & 0o170_111) > 0o100_000 && !/\.so\b/.test(path));
    expect(programs.map(({ path }) => path)).toEqual(["usr/local/bin/node"]);
    expect(tree.filter(({ mode }) => (mode & 0o6_000) > 0)).toEqual([]);
    expect(tree.filter(({ mode }) => (mode & 0o002) > 0).map(({ path }) => path)).toEqual(["tmp"]);
  });

  it("has production dependencies only, each with its licence, and nothing that only people read", async () => {
    const { dependencies, devDependencies } = JSON.parse(
      await readFile(join(project, "package.json"), "utf8"),
    ) as Readonly<Record<"dependencies" | "devDependencies", Readonly<Record<string, string>>>>;
    const isThere = (name: string) =>
      tree.some(({ path }) => path === `app/node_modules/${name}/package.json`);
    // The package `node` brings Node to developers; the image has it already.
    expect(Object.keys(dependencies).filter((name) => !isThere(name))).toEqual(["node"]);
    expect(Object.keys(devDependencies).filter(isThere)).toEqual([]);
    expect(tree.filter(({ path }) => /node_modules\/.*\.(map|ts)$/.test(path))).toEqual([]);
    const licences = /^(licen[cs]e|copying)/i;
    for (const name of Object.keys(dependencies).filter(isThere)) {
      const published = (await readdir(join(project, "node_modules", name))).filter((file) =>
        licences.test(file),
      );
      const kept = await readdir(join(image.root, "app/node_modules", name));
      expect({ name, kept }).toEqual({ name, kept: expect.arrayContaining(published) });
    }
  });

  it("can import everything that its code imports, at the start or later", async () => {
    const entrypoint = ["node", "--input-type=module", "--eval", IMPORT_EVERYTHING];
    const { code, output } = await runInContainer(image, { entrypoint });
    expect(output).toMatch(/^imported \d+$/m);
    expect(code).toBe(0);
  }, 60_000);

  it("says what it runs, which process 1 is, and who it is", async () => {
    const { version } = JSON.parse(await readFile(join(project, "node_modules/node/package.json"), "utf8"));
    const dockerfile = parseDockerfile(await readFile(join(project, "Dockerfile"), "utf8"));
    expect(dockerfile[0]?.rest).toBe(`NODE_IMAGE=docker.io/library/node:${version}-bookworm-slim`);
    expect(image.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(image.entrypoint).toEqual(["node", "services/main.ts"]);
    expect(image.exposed).toEqual(["3000", "3030"]);
    expect(image.labels["org.opencontainers.image.title"]).toBe("Crypto Pocket Butler");
    expect(await runInContainer(image, { arguments: ["--help"] })).toMatchObject({ code: 0 });
    const entrypoint = [
      "node",
      "--print",
      "[process.pid, process.getuid(), process.cwd(), process.version].join()",
    ];
    expect((await runInContainer(image, { entrypoint })).output.trim()).toBe(`1,10001,/app,v${version}`);
  });

  describe("run read-only, as its numeric user, as process 1", () => {
    let system: SystemOfContainers;

    beforeAll(async () => {
      system = await startSystemOfContainers(image);
    }, 120_000);

    afterAll(() => system?.stop());

    it("has applied the migrations of an empty database", () => {
      expect(system.migrated).toMatchObject({ code: 0 });
    });

    it("answers a user", async () => {
      const created = await system.request("POST", "/v1/portfolios", { name: "Savings" });
      expect(created.status).toBe(201);
      const listed = await system.request("GET", "/v1/portfolios");
      expect(await listed.json()).toMatchObject([{ name: "Savings" }]);
    });

    it("serves the API's page, whose files are a package's", async () => {
      for (const path of ["/docs", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/openapi.json"]) {
        expect({ path, status: (await system.request("GET", path)).status }).toEqual({ path, status: 200 });
      }
    });

    it("is healthy by its own check, and not where nobody listens", async () => {
      const entrypoint = image.healthcheck;
      for (const { metricsPort } of system.containers) {
        const env = { METRICS_PORT: String(metricsPort) };
        expect(await runInContainer(image, { entrypoint, env })).toMatchObject({ code: 0 });
      }
      const nobody = await runInContainer(image, { entrypoint, env: { METRICS_PORT: "1" } });
      expect(nobody).toMatchObject({ code: 1, output: expect.stringContaining("ECONNREFUSED") });
    });

    it("writes nothing, not even to /tmp", async () => {
      for (const { container } of system.containers) expect(await container.temporaryFiles()).toEqual([]);
    });

    it("cannot write, nor become anybody else", async () => {
      const attempts = `
        const { writeFileSync } = await import("node:fs");
        const failures = [() => writeFileSync("/app/x", ""), () => writeFileSync("/x", ""), () => process.setuid(0)]
          .map((attempt) => { try { attempt(); return "done"; } catch ({ code }) { return code; } });
        console.log(failures.join());`;
      const entrypoint = ["node", "--input-type=module", "--eval", attempts];
      expect((await runInContainer(image, { entrypoint })).output.trim()).toBe("EROFS,EROFS,EPERM");
    });

    it("stops on SIGTERM in order, exit 0", async () => {
      const stops = system.containers.map(async ({ name, container }) => ({
        name,
        code: await container.stop(),
      }));
      expect(await Promise.all(stops)).toEqual(system.containers.map(({ name }) => ({ name, code: 0 })));
      for (const { container } of system.containers) expect(container.output()).toContain("exit 0");
    }, 60_000);
  });
});
