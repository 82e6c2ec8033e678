import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Send, senderTo } from "./http.ts";
import { type InProcess, startGateway } from "./in-process.ts";

let services: InProcess;
let send: Send;

beforeAll(async () => {
  services = await startGateway([]);
  send = senderTo(services);
});
afterAll(() => services.stop());

describe("the public pages", () => {
  it("need no token", async () => {
    expect(await (await send(undefined, "GET", "/")).text()).toContain("/docs");
    expect(await (await send(undefined, "GET", "/health")).json()).toEqual({
      status: "ok",
      service: "gateway",
    });
    expect(await (await send(undefined, "GET", "/ready")).json()).toEqual({
      status: "ready",
      service: "gateway",
    });
    expect((await (await send(undefined, "GET", "/openapi.json")).json()) as object).toMatchObject({
      openapi: "3.1.0",
    });
  });

  it.each([
    ["/swagger-ui", "/docs"],
    ["/swagger-ui/", "/docs"],
    ["/api/swagger-ui", "/api/docs"],
    ["/api-docs/openapi.json", "/openapi.json"],
    ["/api/api-docs/openapi.json", "/api/openapi.json"],
    ["/docs/", "/docs"],
    ["/api/docs/", "/api/docs"],
  ])("lead from %s to %s", async (from, to) => {
    const reply = await fetch(services.url + from);
    expect([reply.status, reply.url]).toEqual([200, services.url + to]);
    await reply.arrayBuffer();
  });

  it.each(["/docs", "/api/docs"])("show the API at %s, with nothing from elsewhere", async (path) => {
    const page = await send(undefined, "GET", path);
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toMatch(/script-src|unsafe-eval|https?:|\*/);
    const html = await page.text();
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|\son\w+=|<style/);
    const assets = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link as string);
    expect(assets).toHaveLength(3);
    for (const link of assets) {
      const asset = await fetch(new URL(link, services.url + path));
      const type = link.endsWith(".css") ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8";
      expect([asset.status, asset.headers.get("content-type")]).toEqual([200, type]);
      expect(asset.headers.get("x-content-type-options")).toBe("nosniff");
      expect((await asset.text()).length).toBeGreaterThan(50);
    }
    const start = await (await fetch(new URL("docs/start.js", services.url + path))).text();
    const document = /url: "([^"]+)"/.exec(start)?.[1] as string;
    expect((await fetch(new URL(document, services.url + path))).status).toBe(200);
  });
});
