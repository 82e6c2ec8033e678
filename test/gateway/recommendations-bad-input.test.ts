import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, it } from "@jest/globals";
import auth from "../../services/auth/auth.service.ts";
import portfolios from "../../services/portfolios/portfolios.service.ts";
import users from "../../services/users/users.service.ts";
import { expectProblem, type Send, senderTo } from "./http.ts";
import { type InProcess, startGateway } from "./in-process.ts";

let gateway: InProcess;
let send: Send;

beforeAll(async () => {
  gateway = await startGateway([auth, users, portfolios]);
  send = senderTo(gateway);
});
afterAll(() => gateway.stop());

const JSON_TYPE = { "Content-Type": "application/json" };
/** What is wrong with a request is told before whether there is such a portfolio. */
const path = `/v1/portfolios/${randomUUID()}/recommendations`;
const ORDER = {
  action: "sell",
  asset: "BTC",
  quantity: "0.05",
  estimated_price: "60000",
  estimated_value_usd: "3000.00",
};
const OWN = { recommendation_type: "take_profit", rationale: "It has doubled.", proposed_orders: [ORDER] };

describe("POST …/recommendations/generate", () => {
  it.each<[string, unknown, string[]]>([
    ["an unknown member", { minimum: "1" }, ["/minimum"]],
    ["a negative amount", { min_trade_usd: "-1" }, ["/min_trade_usd"]],
    ["a negative number", { cash_in_usd: -1 }, ["/cash_in_usd"]],
    ["an exponent", { cash_out_usd: "1e3" }, ["/cash_out_usd"]],
    ["79 digits", { cash_in_usd: "9".repeat(79) }, ["/cash_in_usd"]],
    ["null for an amount", { cash_in_usd: null }, ["/cash_in_usd"]],
    ["a lot size of 0", { lot_sizes: { BTC: "0.000" } }, ["/lot_sizes/BTC"]],
    ["a lot size that is a number", { lot_sizes: { BTC: 1 } }, ["/lot_sizes/BTC"]],
    ["a symbol of blanks", { lot_sizes: { " ": "1" } }, ["/lot_sizes/ "]],
    ["a list of lot sizes", { lot_sizes: [] }, ["/lot_sizes"]],
    ["a fee above 100 %", { fee_bps: 10_001 }, ["/fee_bps"]],
    ["a negative fee", { fee_bps: -0.1 }, ["/fee_bps"]],
    ["a fee as text", { fee_bps: "10" }, ["/fee_bps"]],
    ["a word for true", { buy_only: "true" }, ["/buy_only"]],
    ["an unknown depth", { depth: "half" }, ["/depth"]],
    ["a validity below a minute", { valid_for_seconds: 59 }, ["/valid_for_seconds"]],
    ["a validity above a week", { valid_for_seconds: 604_801 }, ["/valid_for_seconds"]],
    ["a validity that is no whole number", { valid_for_seconds: 60.5 }, ["/valid_for_seconds"]],
    ["an array", [], [""]],
    ["the id", { id: randomUUID() }, ["/id"]],
  ])("refuses %s", async (_, body, pointers) => {
    const reply = await send("alice", "POST", `${path}/generate`, {
      body: JSON.stringify(body),
      headers: JSON_TYPE,
    });
    await expectProblem(reply, "VALIDATION_FAILED", 400, pointers);
  });
});

describe("POST …/recommendations", () => {
  const order = (changes: object) => ({ ...OWN, proposed_orders: [ORDER, { ...ORDER, ...changes }] });
  it.each<[string, unknown, string[]]>([
    ["no members", {}, ["/recommendation_type", "/rationale", "/proposed_orders"]],
    ["an unknown type", { ...OWN, recommendation_type: "hodl" }, ["/recommendation_type"]],
    ["an empty rationale", { ...OWN, rationale: "" }, ["/rationale"]],
    ["a rationale of 2001 characters", { ...OWN, rationale: "x".repeat(2001) }, ["/rationale"]],
    ["a rationale with NUL", { ...OWN, rationale: "\0" }, ["/rationale"]],
    ["orders that are no list", { ...OWN, proposed_orders: {} }, ["/proposed_orders"]],
    ["101 orders", { ...OWN, proposed_orders: Array(101).fill(ORDER) }, ["/proposed_orders"]],
    ["an unknown action", order({ action: "hold" }), ["/proposed_orders/1/action"]],
    ["an action that is no text", order({ action: 1 }), ["/proposed_orders/1/action"]],
    ["no asset", order({ asset: undefined }), ["/proposed_orders/1/asset"]],
    ["an empty asset", order({ asset: "" }), ["/proposed_orders/1/asset"]],
    ["a bad asset id", order({ asset_id: "1" }), ["/proposed_orders/1/asset_id"]],
    ["a quantity that is a number", order({ quantity: 1 }), ["/proposed_orders/1/quantity"]],
    ["a quantity of 0", order({ quantity: "0.0" }), ["/proposed_orders/1/quantity"]],
    ["a negative quantity", order({ quantity: "-1" }), ["/proposed_orders/1/quantity"]],
    ["an exponent", order({ estimated_price: "1e3" }), ["/proposed_orders/1/estimated_price"]],
    ["NaN", order({ estimated_value_usd: "NaN" }), ["/proposed_orders/1/estimated_value_usd"]],
    ["an unknown member of an order", order({ price: "1" }), ["/proposed_orders/1/price"]],
    ["an impact that is a number", { ...OWN, expected_impact: 1 }, ["/expected_impact"]],
    ["an impact with a sign alone", { ...OWN, expected_impact: "-" }, ["/expected_impact"]],
    ["metadata that is a list", { ...OWN, metadata: [] }, ["/metadata"]],
    ["a confidence above 1", { ...OWN, metadata: { confidence: 1.1 } }, ["/metadata/confidence"]],
    ["a drift as text", { ...OWN, metadata: { drift_percentage: "5" } }, ["/metadata/drift_percentage"]],
    ["null in the metadata", { ...OWN, metadata: { risk_score: null } }, ["/metadata/risk_score"]],
    ["a nested member", { ...OWN, metadata: { note: {} } }, ["/metadata/note"]],
    ["a long text in the metadata", { ...OWN, metadata: { note: "x".repeat(501) } }, ["/metadata/note"]],
    ["a name of blanks in the metadata", { ...OWN, metadata: { " ": 1 } }, ["/metadata"]],
    ["a status", { ...OWN, status: "executed" }, ["/status"]],
    ["an inputs_hash", { ...OWN, inputs_hash: "0".repeat(64) }, ["/inputs_hash"]],
    ["a time of its own", { ...OWN, expires_at: "2030-01-01T00:00:00.000Z" }, ["/expires_at"]],
  ])("refuses %s", async (_, body, pointers) => {
    const reply = await send("alice", "POST", path, {
      body: JSON.stringify(body),
      headers: JSON_TYPE,
    });
    await expectProblem(reply, "VALIDATION_FAILED", 400, pointers);
  });
});

describe("GET …/recommendations", () => {
  it.each([
    ["?status=done", "/status"],
    ["?status=", "/status"],
    ["?recommendation_type=hodl", "/recommendation_type"],
    ["?limit=0", "/limit"],
    ["?limit=501", "/limit"],
    ["?limit=ten", "/limit"],
    ["?cursor=mine", "/cursor"],
    ["?type=rebalance", "/type"],
    ["?status=pending&status=approved", "/status"],
  ])("refuses %s", async (query, pointer) => {
    const reply = await send("alice", "GET", `${path}${query}`);
    await expectProblem(reply, "VALIDATION_FAILED", 400, [pointer]);
  });
});

describe("approve, reject, execute", () => {
  it("take no members", async () => {
    const reply = await send("alice", "POST", `${path}/${randomUUID()}/approve`, {
      body: { status: "approved" },
    });
    await expectProblem(reply, "VALIDATION_FAILED", 400, ["/status"]);
  });

  it("are no way to read, nor to change anything else", async () => {
    const one = `${path}/${randomUUID()}`;
    await expectProblem(await send("alice", "GET", `${one}/approve`), "METHOD_NOT_ALLOWED", 405);
    await expectProblem(await send("alice", "PUT", one, { body: OWN }), "METHOD_NOT_ALLOWED", 405);
    const bad = await send("alice", "GET", `${path}/none`);
    await expectProblem(bad, "VALIDATION_FAILED", 400, ["/recommendation_id"]);
  });
});
