import { describe, expect, it } from "@jest/globals";
import { capacityFaults } from "./rules/capacity.ts";
import { imageFaults } from "./rules/images.ts";
import { podSecurityFaults } from "./rules/pod-security.ts";
import { probeFaults } from "./rules/probes.ts";
import { referenceFaults } from "./rules/references.ts";
import { scalingFaults } from "./rules/scaling.ts";
import { schemaFaults } from "./rules/schema.ts";
import { settingsFaults } from "./rules/settings.ts";
import { shutdownFaults } from "./rules/shutdown.ts";
import { render, VARIANTS } from "./support/render.ts";

describe.each(VARIANTS)("the overlay %s", (variant) => {
  it.each([
    ["is what Kubernetes knows, and nothing beside", schemaFaults],
    ["meets the restricted Pod Security Standard", podSecurityFaults],
    ["names only what is there", referenceFaults],
    ["gives each process the settings that it reads, and no others", settingsFaults],
    ["scales and drains", scalingFaults],
    ["has no more connections than PostgreSQL", capacityFaults],
    ["gives everyone who stops the time to", shutdownFaults],
    ["probes what the code answers, and not faster", probeFaults],
    ["names its images exactly, and holds no secret", imageFaults],
  ] as const)("%s", async (_, faultsOf) => {
    expect(await faultsOf(await render(variant))).toEqual([]);
  });
});
