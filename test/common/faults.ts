import { expect } from "@jest/globals";
import { ConfigurationError } from "../../services/common/config.ts";

/** What a wrong environment is refused with. */
export function faultsOf(read: () => unknown): string[] {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return (error as Error).message.split("\n");
  }
  throw new Error("The settings were accepted.");
}
