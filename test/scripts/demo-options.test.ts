import { describe, expect, it } from "@jest/globals";
import { help, parseDemoOptions } from "../../scripts/demo/options.ts";

describe("parseDemoOptions", () => {
  it.each([
    [[], "alice", 90],
    [["bob"], "bob", 90],
    [["bob", "--days", "7"], "bob", 7],
    [["--days=0"], "alice", 0],
    [["--days=365"], "alice", 365],
  ])("reads %j", (args, username, days) => {
    expect(parseDemoOptions(args as string[])).toEqual({ help: false, username, days });
  });

  it.each([["--help"], ["-h"]])("knows %s", (flag) => {
    expect(parseDemoOptions([flag])).toEqual({ help: true });
  });

  it.each([
    [["bob", "alice"], "Give one user name. See: npm run demo -- --help"],
    [["--day", "7"], "Unknown option '--day'. See: npm run demo -- --help"],
    [["--days"], "See: npm run demo -- --help"],
    [["--days", "366"], "--days 366: the number must be 0 to 365, as in --days 90"],
    [["--days=-1"], "the number must be 0 to 365"],
    [["--days", "1.5"], "the number must be 0 to 365"],
    [["--days", ""], "the number must be 0 to 365"],
  ])("refuses %j and says what would be right", (args, message) => {
    expect(() => parseDemoOptions(args as string[])).toThrow(message as string);
  });
});

describe("help", () => {
  it.each(["<username>", "--days", "--help", "SERVER_PORT"])("tells of %s", (word) => {
    expect(help).toContain(word);
  });
});
