import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { JsonRefused, parseJsonObject } from "../../../services/auth/strict-json.ts";

const parse = (text: string) => parseJsonObject(Buffer.from(text));

describe("parseJsonObject", () => {
  it.each([
    ["", "not JSON"],
    ["{", "not JSON"],
    ["{}{}", "not JSON"],
    ["{'a':1}", "not JSON"],
    ['{"a":1,}', "not JSON"],
    ['{"a":NaN}', "not JSON"],
    ['\uFEFF{"a":1}', "not JSON"],
    ["null", "not a JSON object"],
    ["[]", "not a JSON object"],
    ['"{}"', "not a JSON object"],
    ["1", "not a JSON object"],
    ['{"a":1,"a":1}', "a member is there twice"],
    ['{"a":1,"\\u0061":2}', "a member is there twice"],
    ['{"":1,"":2}', "a member is there twice"],
    ['{"a":{"b":1,"b":2}}', "a member is there twice"],
    ['{"a":[{"b":1,"c":{},"b":2}]}', "a member is there twice"],
    ['{"a":{"x":1},"a":{"y":1,"z":2}}', "a member is there twice"],
    ['{"a":":","a":1}', "a member is there twice"],
    ['{"__proto__":{}}', "a member is named __proto__"],
    ['{"a":[{"\\u005f_proto__":1}]}', "a member is named __proto__"],
    [`{"a":${"[".repeat(16)}${"]".repeat(16)}}`, "nested more than 16 deep"],
    [`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, "nested more than 16 deep"],
  ])("refuses %j", (text, reason) => {
    expect(() => parse(text)).toThrow(new JsonRefused(reason));
  });

  it.each([[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80]])("refuses what is not UTF-8", (...bytes) => {
    const text = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')]);
    expect(() => parseJsonObject(text)).toThrow(new JsonRefused("not UTF-8"));
  });

  it.each([
    ["{}"],
    ['{"a":"\\"a\\":1","b":"\\\\","c":": : :"}'],
    ['{ "a" : { "a" : [ { "a" : 1 }, { "a" : 1 } ] } }'],
    ['{"constructor":1,"toString":2,"1":3}'],
    [`{"a":${"[".repeat(15)}${"]".repeat(15)}}`],
  ])("reads %j", (text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  const noProto = fc
    .jsonValue({ maxDepth: 6 })
    .filter((value) => !JSON.stringify(value).includes("__proto__"));

  it("reads every object as JSON.parse does", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: "binary" }), noProto), (object) => {
        fc.pre(!Object.hasOwn(object, "__proto__"));
        const text = JSON.stringify(object);
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it("refuses every object in which one member is said again, at any depth and in any spelling", () => {
    fc.assert(
      fc.property(fc.string(), noProto, noProto, fc.nat(8), (name, first, second, depth) => {
        fc.pre(name !== "__proto__");
        const spelled = [...JSON.stringify(name).slice(1, -1)].map((character) =>
          /^[a-z]$/.test(character) && name.length === 1
            ? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
            : character,
        );
        const twice = `{${JSON.stringify(name)}:${JSON.stringify(first)},"${spelled.join("")}":${JSON.stringify(second)}}`;
        expect(() => parse(`{"a":${"[".repeat(depth)}${twice}${"]".repeat(depth)}}`)).toThrow(JsonRefused);
      }),
    );
  });

  it("says nothing of the text in its message", () => {
    expect(() => parse('{"email":"ada@example.test"')).toThrow(/^not JSON$/);
  });
});
