import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import auth from "../../services/auth/auth.service.ts";
import { expectProblem, type Send, senderTo } from "./http.ts";
import { type InProcess, startGateway } from "./in-process.ts";

let services: InProcess;
let send: Send;

beforeAll(async () => {
  services = await startGateway([auth], (response) => response.writeHead(500).end());
  send = senderTo(services);
});
afterAll(() => services.stop());

describe("a request while the issuer cannot be reached, and its keys are not known yet", () => {
  it("is answered 503 with Retry-After: the token may be good", async () => {
    for (const path of ["/v1/me", "/v1/portfolios"]) {
      const reply = await send("alice", "GET", path);
      expect(reply.headers.get("retry-after")).toBe("5");
      expect(reply.headers.get("www-authenticate")).toBeNull();
      await expectProblem(reply, "ISSUER_UNAVAILABLE", 503);
    }
  });

  it("is answered 401 when the token is none", async () => {
    const reply = await send(undefined, "GET", "/v1/me", { headers: { Authorization: "Bearer a.b.c" } });
    await expectProblem(reply, "UNAUTHENTICATED", 401);
  });

  it("is answered where no token is needed", async () => {
    for (const path of ["/", "/health", "/ready", "/openapi.json", "/docs"]) {
      expect((await send(undefined, "GET", path)).status).toBe(200);
    }
  });
});
