import { beforeAll, describe, expect, it } from "@jest/globals";
import { sourceOf } from "./support/code.ts";
import { containerOf, type Document, migrationsIn, servicesOf } from "./support/documents.ts";
import { render } from "./support/render.ts";

const dockerfile = sourceOf("Dockerfile");
let documents: Document[];
beforeAll(async () => {
  documents = await render("production");
});

describe("our pods, and the image", () => {
  it("run as the same user", () => {
    const [, user] = /^USER (\d+):\d+$/m.exec(dockerfile) ?? [];
    for (const workload of [...servicesOf(documents), ...migrationsIn(documents)]) {
      expect(workload.spec.template.spec.securityContext?.runAsUser).toBe(Number(user));
    }
  });

  it("begin with the image's own program, which is given the service's name", () => {
    expect(dockerfile).toContain('ENTRYPOINT ["node", "services/main.ts"]');
    for (const service of servicesOf(documents)) {
      const { command, args } = containerOf(service);
      expect(command).toBeUndefined();
      expect(args).toEqual([service.metadata.name.replace("butler-", "")]);
    }
  });

  it("migrate with a script that is in the image", () => {
    expect(dockerfile).toMatch(/^COPY scripts\/migrate\.ts scripts\/$/m);
    for (const job of migrationsIn(documents)) {
      const { command, args } = containerOf(job);
      expect(command).toEqual(["node", "scripts/migrate.ts"]);
      expect(args).toEqual([job.metadata.name.replace("butler-migration-", "")]);
    }
  });
});
