/**
 * The peer: a plain monolith of Fastify, pg and jose, written as one would write it for speed and simplicity.
 * One process; no logger, no metrics; named prepared statements; replies serialised by schema.
 */
import Fastify, { type FastifyRequest } from "fastify";
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from "jose";
import pg from "pg";
import type { PortfolioReply } from "./seed.ts";

const { PEER_PORT, PEER_DATABASE_URL, PEER_MAX_CONNECTIONS, PEER_ISSUER, PEER_AUDIENCE } = process.env;
if (!PEER_PORT || !PEER_DATABASE_URL || !PEER_MAX_CONNECTIONS || !PEER_ISSUER || !PEER_AUDIENCE) {
  throw new Error("bench/peer.ts is started by `npm run bench`, which sets its PEER_… variables.");
}
const expected = {
  issuer: PEER_ISSUER,
  audience: PEER_AUDIENCE,
  algorithms: ["RS256", "ES256"],
  typ: "at+jwt",
};

interface PortfolioRow {
  readonly id: string;
  readonly user_id: string;
  readonly name: string;
  readonly description: string | null;
  readonly is_default: boolean;
  readonly target_allocation: Record<string, number> | null;
  readonly guardrails: Record<string, number> | null;
  readonly last_constructed_at: Date | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly version: number;
}

const COLUMNS = `id, user_id, name, description, is_default, target_allocation, guardrails, last_constructed_at,
  created_at, updated_at, version`;

const pool = new pg.Pool({
  connectionString: PEER_DATABASE_URL,
  application_name: "bench-peer",
  max: Number(PEER_MAX_CONNECTIONS),
  min: 5,
  idleTimeoutMillis: 600_000,
});
pool.on("error", () => {
  // An idle connection was lost: the pool opens another.
});
const keys = createRemoteJWKSet(new URL(`${PEER_ISSUER}/jwks`));

const text = { type: "string" };
const numbers = { type: "object", additionalProperties: { type: "number" } };
const portfolioSchema = {
  type: "object",
  properties: {
    id: text,
    user_id: text,
    name: text,
    description: text,
    is_default: { type: "boolean" },
    target_allocation: numbers,
    guardrails: numbers,
    last_constructed_at: text,
    created_at: text,
    updated_at: text,
    version: { type: "integer" },
  },
};
const newPortfolioSchema = {
  type: "object",
  required: ["name"],
  additionalProperties: false,
  properties: {
    name: { type: "string", minLength: 1, maxLength: 120 },
    description: { type: "string", maxLength: 2000 },
  },
};

const app = Fastify({ logger: false });

app.get(
  "/v1/portfolios",
  { schema: { response: { 200: { type: "array", items: portfolioSchema } } } },
  async (request) => {
    const userId = await authenticate(request);
    const { rows } = await pool.query<PortfolioRow>({
      name: "list_portfolios",
      text: `select ${COLUMNS} from portfolios.portfolios where user_id = $1 order by created_at, id limit 500`,
      values: [userId],
    });
    return rows.map(replyOf);
  },
);

app.post<{ Body: { name: string; description?: string } }>(
  "/v1/portfolios",
  { schema: { body: newPortfolioSchema, response: { 201: portfolioSchema } } },
  async (request, reply) => {
    const userId = await authenticate(request);
    const { rows } = await pool.query<PortfolioRow>({
      name: "insert_portfolio",
      text: `insert into portfolios.portfolios (id, user_id, name, description, is_default, created_at, updated_at)
             values (uuidv7(), $1, $2, $3, false, now(), now()) returning ${COLUMNS}`,
      values: [userId, request.body.name, request.body.description ?? null],
    });
    reply.code(201);
    return replyOf(rows[0] as PortfolioRow);
  },
);

/** The user's id, for a token that is valid; who is seen for the first time is created. */
async function authenticate(request: FastifyRequest): Promise<string> {
  const { authorization } = request.headers;
  if (!authorization?.startsWith("Bearer "))
    throw Object.assign(new Error("Unauthorized"), { statusCode: 401 });
  const claims = await verify(authorization.slice("Bearer ".length));
  const { sub } = claims;
  if (!sub) throw Object.assign(new Error("Unauthorized"), { statusCode: 401 });
  return (await findUser(sub)) ?? (await createUser(sub, claims));
}

async function verify(token: string): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, keys, expected);
    return payload;
  } catch (cause) {
    throw Object.assign(new Error("Unauthorized", { cause }), { statusCode: 401 });
  }
}

async function findUser(subject: string): Promise<string | undefined> {
  const { rows } = await pool.query<{ user_id: string }>({
    name: "find_user",
    text: "select user_id from users.identities where issuer = $1 and subject = $2",
    values: [PEER_ISSUER, subject],
  });
  return rows[0]?.user_id;
}

async function createUser(subject: string, claims: JWTPayload): Promise<string> {
  await pool.query({
    name: "create_user",
    text: `with identity as (
             insert into users.identities (issuer, subject, user_id) values ($1, $2, $3)
             on conflict do nothing returning user_id)
           insert into users.users (id, email, email_verified, preferred_username, created_at, updated_at)
           select user_id, $4, $5, $6, now(), now() from identity`,
    values: [
      PEER_ISSUER,
      subject,
      crypto.randomUUID(),
      claims.email ?? null,
      claims.email_verified ?? null,
      claims.preferred_username ?? null,
    ],
  });
  return (await findUser(subject)) as string;
}

function replyOf(row: PortfolioRow): PortfolioReply {
  return {
    id: row.id,
    user_id: row.user_id,
    name: row.name,
    ...(row.description !== null && { description: row.description }),
    is_default: row.is_default,
    ...(row.target_allocation && { target_allocation: row.target_allocation }),
    ...(row.guardrails && { guardrails: row.guardrails }),
    ...(row.last_constructed_at && { last_constructed_at: row.last_constructed_at.toISOString() }),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    version: row.version,
  };
}

async function stop(): Promise<void> {
  await app.close();
  await pool.end();
  process.exit(0);
}

process.once("SIGTERM", stop);
process.once("SIGINT", stop);
process.once("disconnect", stop);
await app.listen({ port: Number(PEER_PORT), host: "127.0.0.1" });
process.send?.("ready");
