import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type KeyFetch, keyFetch } from "../../../services/auth/key-fetch.ts";
import {
  DISCOVERY,
  type Fault,
  KEYS,
  type MisbehavingIssuer,
  startMisbehavingIssuer,
} from "../../support/misbehaving-issuer.ts";
import { createKey } from "./tokens.ts";

const never = new AbortController().signal;
const { jwk } = createKey("ES256");

let now = 1_800_000_000_000;
let issuer: MisbehavingIssuer;
let fetchKeys: KeyFetch;

beforeEach(async () => {
  now = 1_800_000_000_000;
  issuer = await startMisbehavingIssuer(() => now);
  issuer.publish(jwk);
  fetchKeys = keyFetch({ issuer: issuer.url, keyOrigins: [], now: () => now });
});

afterEach(() => issuer.stop());

const failure = () =>
  fetchKeys(never).then(
    () => "none",
    (error: Error) => error.message.replaceAll(issuer.url, ""),
  );

describe("keyFetch", () => {
  it("finds the key set by discovery, and says of when it is", async () => {
    expect(await fetchKeys(never)).toEqual({ document: { keys: [jwk] }, statedAtMs: now });
  });

  it("asks for discovery again only when what it told is ten minutes old", async () => {
    await fetchKeys(never);
    now += 599_000;
    await fetchKeys(never);
    expect([issuer.fetches(DISCOVERY), issuer.fetches(KEYS)]).toEqual([1, 2]);
    now += 1_000;
    await fetchKeys(never);
    expect([issuer.fetches(DISCOVERY), issuer.fetches(KEYS)]).toEqual([2, 3]);
  });

  it("puts the well-known path behind the issuer's own path", async () => {
    const realm = `${issuer.url}/realms/butler/`;
    await keyFetch({ issuer: realm, keyOrigins: [], now: () => now })(never).catch(() => undefined);
    expect(issuer.fetches(`/realms/butler${DISCOVERY}`)).toBe(1);
  });

  it.each<readonly [Fault, string]>([
    ["fails", " answered with status 500."],
    ["resets", " did not answer."],
    ["redirects", " answered with status 302."],
    ["answers HTML", " answered no JSON."],
    ["answers 64 MB", " answered more than 262144 bytes."],
    ["breaks off", " did not answer."],
    ["answers half", " answered something else than one JSON object."],
    ["answers a list", " answered something else than one JSON object."],
    ["answers twice the same member", " answered something else than one JSON object."],
  ])("refuses an issuer that %s, at discovery and at its keys", async (fault, message) => {
    issuer.misbehave(fault, "discovery");
    expect(await failure()).toBe(DISCOVERY + message);
    expect(issuer.fetches(KEYS)).toBe(0);
    issuer.misbehave(fault, "keys");
    expect(await failure()).toBe(KEYS + message);
    expect(issuer.fetches("/elsewhere")).toBe(0);
    issuer.misbehave(undefined);
    expect(await failure()).toBe("none");
  });

  it("reads little more of a huge answer than it takes", async () => {
    issuer.misbehave("answers 64 MB");
    await failure();
    // What the sockets' buffers hold was sent as well.
    expect(issuer.bytesSent()).toBeLessThan(16 * 1024 * 1024);
  });

  it("gives up after five seconds, whether nothing comes or ever a little", async () => {
    const dripping = await startMisbehavingIssuer(() => now);
    try {
      issuer.misbehave("hangs");
      dripping.misbehave("drips");
      const fetchDrips = keyFetch({ issuer: dripping.url, keyOrigins: [], now: () => now });
      const failures = await Promise.allSettled([fetchKeys(never), fetchDrips(never)]);
      for (const failed of failures) {
        expect(failed).toMatchObject({ reason: { cause: { name: "TimeoutError" } } });
      }
    } finally {
      await dripping.stop();
    }
  });

  it("stops at once when it is told to", async () => {
    issuer.misbehave("hangs");
    const stop = new AbortController();
    const fetched = fetchKeys(stop.signal);
    stop.abort();
    await expect(fetched).rejects.toThrow("did not answer.");
  });

  it.each([
    [{ issuer: "https://other.example" }, "is of another issuer."],
    [{ issuer: undefined }, "names no issuer and jwks_uri."],
    [{ jwks_uri: undefined }, "names no issuer and jwks_uri."],
    [{ jwks_uri: "/keys" }, "names no issuer and jwks_uri."],
    [{ jwks_uri: ["https://keys.example"] }, "names no issuer and jwks_uri."],
    [
      { jwks_uri: "https://keys.example/keys" },
      "sends for keys to https://keys.example, which is not allowed.",
    ],
    [
      { jwks_uri: "http://169.254.169.254/keys" },
      "sends for keys to http://169.254.169.254, which is not allowed.",
    ],
    [{ jwks_uri: "file:///etc/passwd" }, "sends for keys to null, which is not allowed."],
    [{ jwks_uri: "http://localhost:1/keys" }, "sends for keys to http://localhost:1, which is not allowed."],
  ])("refuses a discovery document with %j", async (metadata, message) => {
    issuer.state(metadata);
    expect(await failure()).toBe(`${DISCOVERY} ${message}`);
    expect(issuer.fetches(KEYS)).toBe(0);
  });

  it("refuses keys behind a name and a password", async () => {
    issuer.state({ jwks_uri: issuer.url.replace("//", "//name:password@") + KEYS });
    expect(await failure()).toContain("which is not allowed.");
  });

  it("fetches keys from another origin only if that is configured", async () => {
    const keyServer = await startMisbehavingIssuer(() => now);
    try {
      keyServer.publish(jwk);
      issuer.state({ jwks_uri: keyServer.url + KEYS });
      expect(await failure()).toContain("which is not allowed.");
      expect(keyServer.fetches()).toBe(0);
      const allowed = keyFetch({ issuer: issuer.url, keyOrigins: [`${keyServer.url}/`], now: () => now });
      expect((await allowed(never)).document).toEqual({ keys: [jwk] });
    } finally {
      await keyServer.stop();
    }
  });

  it("fetches no keys over http from another machine, even if that is configured", async () => {
    issuer.state({ jwks_uri: "http://keys.example/keys" });
    fetchKeys = keyFetch({ issuer: issuer.url, keyOrigins: ["http://keys.example"], now: () => now });
    expect(await failure()).toBe(`${DISCOVERY} sends for keys to http://keys.example, which is not allowed.`);
  });
});
