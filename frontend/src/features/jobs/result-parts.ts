/** Which ways there are to see a result, from its own shape: no list of task types to keep up to date. */

export type ResultPart =
  | { readonly kind: "markdown" | "text"; readonly text: string }
  | {
      readonly kind: "table";
      readonly columns: readonly string[];
      readonly rows: readonly TableRow[];
    };

export type TableRow = Readonly<Record<string, unknown>>;

const MOST_COLUMNS = 6;
const LONG_CELL = 400;

export function findParts(result: Readonly<Record<string, unknown>>): ResultPart[] {
  const parts: ResultPart[] = [];
  const { markdown, text, message } = result;
  if (typeof markdown === "string") parts.push({ kind: "markdown", text: markdown });
  for (const value of [text, message]) {
    if (typeof value === "string") parts.push({ kind: "text", text: value });
  }
  const table = Object.values(result).find(isRows);
  if (table) parts.push(buildTable(table));
  return parts;
}

function isRows(value: unknown): value is TableRow[] {
  const isRow = (row: unknown) => typeof row === "object" && row !== null && !Array.isArray(row);
  return Array.isArray(value) && value.length > 0 && value.every(isRow);
}

function buildTable(rows: readonly TableRow[]): ResultPart {
  const counts = new Map<string, number>();
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      const isShort = typeof value !== "object" && String(value).length <= LONG_CELL;
      if (isShort) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return { kind: "table", columns: [...counts.keys()].slice(0, MOST_COLUMNS), rows };
}

export function toCell(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
