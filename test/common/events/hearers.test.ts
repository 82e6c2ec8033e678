import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { contract, hears } from "../../../services/common/contract.ts";
import { hearersOf } from "../../../services/common/events/hearers.ts";
import { contracts } from "../../../services/gateway/contracts.ts";

const tellers = contract(
  "tellers",
  {},
  { events: { "tellers.said": z.strictObject({}), "tellers.sung": z.strictObject({}) } },
);
const listeners = contract("listeners", {
  heard: hears(tellers, "tellers.said", "Hear it."),
  heardToo: hears(tellers, "tellers.said", "Hear it too."),
});

describe("hearersOf", () => {
  it("names for each event the actions that hear it", () => {
    expect(Object.fromEntries(hearersOf([listeners, tellers]))).toEqual({
      "tellers.said": ["listeners.heard", "listeners.heardToo"],
      "tellers.sung": [],
    });
  });

  it("refuses one who hears what nobody tells", () => {
    expect(() => hearersOf([listeners])).toThrow(
      "Contract listeners.heard: nobody tells the event tellers.said",
    );
  });

  it("finds every event of the system told", () => {
    expect(hearersOf(contracts).get("accounts.deleted")).toEqual(["portfolios.accountDeleted"]);
  });
});
