import type { ServerResponse } from "node:http";
import { freePort } from "../../scripts/development/processes.ts";
import type { ServiceModule } from "../../services/common/service.ts";
import gateway from "../../services/gateway/gateway.service.ts";
import { startBroker } from "../support/broker.ts";
import { checkReplies } from "../support/checked-replies.ts";
import { cloneDatabase } from "../support/database.ts";
import { AUDIENCE, startIssuer, type TestIssuer } from "../support/issuer.ts";

export interface InProcess {
  readonly url: string;
  readonly issuer: TestIssuer;
  stop(): Promise<void>;
}

/**
 * The gateway and these services in this process: for what does not depend on the way between them.
 * @param misbehaviour how the issuer answers from before the services start.
 */
export async function startGateway(
  services: readonly ServiceModule[],
  misbehaviour?: (response: ServerResponse) => void,
  environment: Readonly<Record<string, string>> = {},
): Promise<InProcess> {
  const [issuer, database, port] = await Promise.all([startIssuer(), cloneDatabase(), freePort()]);
  issuer.misbehave(misbehaviour);
  const broker = await startBroker([...services, gateway], {
    DATABASE_URL: database.url,
    DB_MIN_CONNECTIONS: "1",
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: AUDIENCE,
    SERVER_HOST: "127.0.0.1",
    SERVER_PORT: String(port),
    ...environment,
  });
  const url = `http://127.0.0.1:${port}`;
  checkReplies(url);
  return {
    url,
    issuer,
    async stop() {
      await Promise.all([broker.stop(), issuer.stop()]);
      await database.drop();
    },
  };
}
