import { describe, expect, it } from "@jest/globals";
import { strayMembers } from "../../../services/accounts/domain/members.ts";

describe("strayMembers", () => {
  it.each([
    ["exchange", { exchange_name: "okx", api_key: "k", api_secret: "s", passphrase: "p" }, []],
    ["exchange", { exchange_name: "okx", wallet_address: null, enabled_chains: null }, []],
    ["exchange", { exchange_name: "bitcoin", wallet_address: "x" }, ["/exchange_name", "/wallet_address"]],
    ["wallet", { wallet_address: "x", enabled_chains: ["base"] }, []],
    ["wallet", { wallet_address: "x", exchange_name: "solana" }, []],
    ["wallet", { wallet_address: "x", exchange_name: "bitcoin", enabled_chains: [] }, ["/enabled_chains"]],
    ["wallet", { wallet_address: "x", exchange_name: "okx" }, ["/exchange_name"]],
    ["wallet", { wallet_address: "x", api_secret: "s" }, ["/api_secret"]],
    ["manual", {}, []],
    ["manual", { exchange_name: "okx" }, ["/exchange_name"]],
  ] as const)("finds in %s with %j: %j", (type, members, pointers) => {
    expect(strayMembers(type, members).map(({ pointer }) => pointer)).toEqual(pointers);
  });
});
