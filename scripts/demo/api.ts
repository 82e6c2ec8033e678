// Requests of one user to the HTTP API.

export type Method = "GET" | "POST" | "PUT";

/** Answers the reply's JSON. @throws an Error that says which request was refused and why. */
export type Api = <Reply>(method: Method, path: string, body?: object) => Promise<Reply>;

const answerTimeoutMs = 30_000;

export function apiOf(url: string, token: string): Api {
  return async <Reply>(method: Method, path: string, body?: object) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body && { "Content-Type": "application/json" }),
      },
      body: body ? JSON.stringify(body) : null,
      signal: AbortSignal.timeout(answerTimeoutMs),
    }).catch((error: Error) => {
      const cause = error.cause instanceof Error ? error.cause.message : error.message;
      throw new Error(`${url} does not answer (${cause}): is SERVER_PORT the one of \`npm start\`?`);
    });
    if (response.ok) return (await response.json()) as Reply;
    const { error } = (await response.json().catch(() => ({}))) as { error?: string };
    throw new Error(`${method} ${path} was answered ${response.status}: ${error ?? response.statusText}`);
  };
}
