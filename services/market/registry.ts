import { cursorAfter, type Position, positionOf } from "../common/database/cursor.ts";
import type { ConnectionPool } from "../common/database/pool.ts";
import { sqlStateOf, UNIQUE_VIOLATION } from "../common/database/sql-states.ts";
import { isoTime } from "../common/database/times.ts";
import type { Writing } from "../common/database/writing.ts";
import { pageWithin } from "../common/page.ts";
import { type ProblemCode, problem } from "../common/problem.ts";

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
  const { name, changeable, missing } = options;
  const { returned, hasChain, list, get, update, remove } = textsOf(options);
  type Row = Item<Own>;

  const find = async (id: string): Promise<Row | undefined> => {
    const [row] = await pool.query<Row>({ name: `market.${name}.get`, text: get, values: [id] });
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
        if (sqlStateOf(error) === UNIQUE_VIOLATION) throw problem("ALREADY_REGISTERED");
        throw error;
      }
    },
  };
}

function textsOf({
  table,
  columns,
  changeable,
  condition = "true",
}: Pick<RegistryOptions<string, string>, "table" | "columns" | "changeable" | "condition">) {
  const returned = ["id", ...columns, "is_active", "created_at", "updated_at", "version"].join(", ");
  const hasChain = columns.includes("chain");
  const changes = changeable.map((column, at) => `${column} = coalesce($${at + 3}, ${column})`).join(", ");
  return {
    returned,
    hasChain,
    list: `
      select ${returned} from ${table}
      where ${condition} and (created_at, id) > ($1::timestamptz, $2::uuid)
        and ($4::boolean is null or is_active = $4)
        ${hasChain ? "and ($5::text is null or chain = $5)" : ""}
      order by created_at, id
      limit $3`,
    get: `select ${returned} from ${table} where ${condition} and id = $1`,
    update: `
      update ${table} set ${changes}, updated_at = now(), version = version + 1
      where ${condition} and id = $1 and ($2::int is null or version = $2)
      returning ${returned}`,
    remove: `
      delete from ${table} where ${condition} and id = $1 and ($2::int is null or version = $2) returning id`,
  };
}

/** The wire's form of a row. */
function timed<Row extends RegistryRow>(row: Row): Row {
  return { ...row, created_at: isoTime(row.created_at), updated_at: isoTime(row.updated_at) };
}
