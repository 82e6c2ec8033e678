import { cursorAfter, type Position, positionOf } from "../common/database/cursor.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import { isoTime } from "../common/database/times.ts";
import type { Writing } from "../common/database/writing.ts";
import { pageWithin } from "../common/page.ts";
import { type ProblemCode, problem } from "../common/problem.ts";

/** SQLSTATE unique_violation. */
const UNIQUE_VIOLATION = "23505";

/** What every row of a registry has. */
interface RegistryRow {
  readonly id: string;
  readonly is_active: boolean;
  readonly created_at: string;
  readonly updated_at: string;
  readonly version: number;
}

export interface RegistryOptions<Own extends string, Changeable extends Own | "is_active"> {
  /** For the names of its statements. */
  readonly name: string;
  readonly table: string;
  /** Which rows of the table are this registry's. */
  readonly condition?: string;
  /** Its own columns, all of them text. */
  readonly columns: readonly Own[];
  readonly changeable: readonly Changeable[];
  readonly missing: ProblemCode;
}

export interface ListOptions {
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
  readonly is_active?: boolean | undefined;
  readonly chain?: string | undefined;
}

type Item<Own extends string> = Readonly<Record<Own, string>> & RegistryRow;
type Changes<Own extends string> = Readonly<Partial<Record<Own, string | boolean | undefined>>>;

/** The statements that the registries have in common: list, get, change, delete. */
export function registry<const Own extends string, const Changeable extends Own | "is_active">(
  pool: ConnectionPool,
  options: RegistryOptions<Own, Changeable>,
) {
  const { name, table, columns, changeable, missing } = options;
  type Row = Item<Own>;
  const returned = ["id", ...columns, "is_active", "created_at", "updated_at", "version"].join(", ");
  const condition = options.condition ?? "true";
  const hasChain = (columns as readonly string[]).includes("chain");

  const list = `
    select ${returned} from ${table}
    where ${condition} and (created_at, id) > ($1::timestamptz, $2::uuid)
      and ($4::boolean is null or is_active = $4)
      ${hasChain ? "and ($5::text is null or chain = $5)" : ""}
    order by created_at, id
    limit $3`;
  const update = `
    update ${table} set ${changeable.map((column, at) => `${column} = coalesce($${at + 3}, ${column})`).join(", ")},
      updated_at = now(), version = version + 1
    where ${condition} and id = $1 and ($2::int is null or version = $2)
    returning ${returned}`;
  const remove = `
    delete from ${table} where ${condition} and id = $1 and ($2::int is null or version = $2) returning id`;

  const find = async (id: string): Promise<Row | undefined> => {
    const text = `select ${returned} from ${table} where ${condition} and id = $1`;
    const [row] = await pool.query<Row>({ name: `market.${name}.get`, text, values: [id] });
    return row;
  };
  /** Why a row was not written: it is not there, or its version is another. */
  const refusal = async (id: string) => problem((await find(id)) ? "PRECONDITION_FAILED" : missing);

  return {
    returned,

    list({ cursor, limit, is_active, chain }: ListOptions) {
      const after: Position = positionOf(cursor);
      return pageWithin({
        limit,
        read: (rows) => {
          const values = [after.createdAt, after.id, rows, is_active, ...(hasChain ? [chain] : [])];
          return pool.query<Row>({ name: `market.${name}.list`, text: list, values });
        },
        cursorAfter,
        item: timed,
      });
    },

    async get(id: string) {
      const row = await find(id);
      if (!row) throw problem(missing);
      return timed(row);
    },

    /** Members that are undefined stay as they are. @throws the missing one, PRECONDITION_FAILED */
    async update(id: string, version: number | undefined, changes: Changes<Changeable>) {
      const values = [id, version, ...changeable.map((column) => changes[column])];
      const [row] = await pool.query<Row>({ name: `market.${name}.update`, text: update, values });
      if (!row) throw await refusal(id);
      return timed(row);
    },

    /** @throws the missing one, PRECONDITION_FAILED */
    async remove(id: string, version: number | undefined): Promise<null> {
      const values = [id, version];
      const [row] = await pool.query({ name: `market.${name}.delete`, text: remove, values });
      if (!row) throw await refusal(id);
      return null;
    },

    /** Inserts by a statement that returns the registry's columns. Undefined when it inserted nothing. @throws ALREADY_REGISTERED */
    async insert(db: Pick<Writing, "query">, text: string, values: readonly unknown[]) {
      try {
        const statement = { name: `market.${name}.create`, text, values: [...values] };
        const [row] = await db.query<Row>(statement);
        return row && timed(row);
      } catch (error) {
        if ((error as { code?: unknown }).code === UNIQUE_VIOLATION) throw problem("ALREADY_REGISTERED");
        throw error;
      }
    },
  };
}

/** The wire's form of a row. */
function timed<Row extends RegistryRow>(row: Row): Row {
  return { ...row, created_at: isoTime(row.created_at), updated_at: isoTime(row.updated_at) };
}
