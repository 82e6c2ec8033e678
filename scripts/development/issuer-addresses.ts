// Which addresses the development issuer deals with: programs on this machine, and the API.

const loopbackHosts = ["127.0.0.1", "localhost", "[::1]"];
const everyHost: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "[::1]" };

/**
 * Whether a program on this machine serves there. RFC 8252, section 7.3: its port is its own choice; while one develops,
 * so is the path.
 */
export function isLoopback(address: string): boolean {
  const url = URL.parse(address);
  return (
    url !== null &&
    ["http:", "https:"].includes(url.protocol) &&
    loopbackHosts.includes(url.hostname) &&
    url.username === "" &&
    url.password === "" &&
    !address.includes("#")
  );
}

/** Where a process on this machine reaches the gateway that has these settings (SERVER_HOST, SERVER_PORT). */
export function apiUrlOf(environment: Readonly<Record<string, string | undefined>>): string {
  const host = environment.SERVER_HOST || "127.0.0.1";
  const reachable = everyHost[host] ?? (host.includes(":") ? `[${host}]` : host);
  return `http://${reachable}:${environment.SERVER_PORT || 3000}`;
}

/** OpenID Connect Back-Channel Logout 1.0: where the API hears of sign-outs. */
export function logoutAddressOf(apiUrl: string): string {
  return new URL("/oidc/backchannel-logout", apiUrl).href;
}
