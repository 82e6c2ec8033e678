import { describe, expect, it } from "@jest/globals";
import { parseExact, parseWithBigInts } from "../../services/common/parse-exact.ts";

describe("parseExact", () => {
  it("keeps the digits of numbers and leaves strings alone", () => {
    expect(
      parseExact(
        '{"a":1.10,"b":[0.1000000000000000055511151231257827,12345678901234567890,1e-7,-0],"c":"1.10","d":null,"e":true}',
      ),
    ).toEqual({
      a: "1.10",
      b: ["0.1000000000000000055511151231257827", "12345678901234567890", "0.0000001", "-0"],
      c: "1.10",
      d: null,
      e: true,
    });
  });

  it("does not write out exponents without end", () => {
    expect(parseExact('{"a":1e999999999}')).toEqual({ a: "1e999999999" });
  });

  it.each(["", "{", "<html>", '[{"a":1},', "NaN"])("refuses %s", (text) => {
    expect(() => parseExact(text)).toThrow(SyntaxError);
  });
});

describe("parseWithBigInts", () => {
  it("keeps whole numbers whole", () => {
    expect(parseWithBigInts('{"a":9007199254740993,"b":1.5,"c":1e3,"d":"7"}')).toEqual({
      a: 9007199254740993n,
      b: 1.5,
      c: 1000,
      d: "7",
    });
  });
});
