import type { JobRequest } from "./actions";

/** Jobs from pasted text: JSON (a list, or one object a line) or CSV with a heading line. */

export const MOST_JOBS = 1_000;
export const JOBS_PER_REQUEST = 100;

export class BatchError extends Error {
  constructor(
    readonly code: "empty" | "not_json" | "not_an_object" | "too_many" | "open_quote",
    readonly line: number,
  ) {
    super(`${code} in line ${line}`);
  }
}

export function parseBatch(text: string, taskType: string): JobRequest[] {
  const trimmed = text.trim();
  if (trimmed === "") throw new BatchError("empty", 1);
  const rows = /^[[{]/.test(trimmed) ? parseJson(trimmed) : parseCsv(trimmed);
  if (rows.length > MOST_JOBS) throw new BatchError("too_many", rows.length);
  return rows.map((row, index) => toRequest(row, taskType, index + 1));
}

function parseJson(text: string): unknown[] {
  if (text.startsWith("[")) {
    try {
      return JSON.parse(text) as unknown[];
    } catch {
      throw new BatchError("not_json", 1);
    }
  }
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    try {
      return [JSON.parse(line) as unknown];
    } catch {
      throw new BatchError("not_json", index + 1);
    }
  });
}

/** An object is either a whole request, or its parameters for the chosen task type. */
function toRequest(row: unknown, taskType: string, line: number): JobRequest {
  if (typeof row !== "object" || row === null || Array.isArray(row)) {
    throw new BatchError("not_an_object", line);
  }
  const given = row as Record<string, unknown>;
  const isRequest = typeof given.params === "object" && given.params !== null;
  if (!isRequest) return { task_type: taskType, params: given } as JobRequest;
  return { task_type: taskType, ...given } as JobRequest;
}

function parseCsv(text: string): Record<string, unknown>[] {
  const [head = [], ...lines] = splitCsv(text);
  return lines.map((cells) => {
    const entries = head.map((name, at): [string, unknown] => [
      name.trim(),
      toValue(cells[at] ?? ""),
    ]);
    return Object.fromEntries(entries.filter(([, value]) => value !== ""));
  });
}

function toValue(cell: string): unknown {
  const text = cell.trim();
  if (/^-?\d{1,15}(\.\d+)?$/.test(text)) return Number(text);
  if (text === "true" || text === "false") return text === "true";
  return text;
}

/** RFC 4180: cells in quotes may hold commas, line ends and doubled quotes. */
function splitCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  let cell = "";
  let isQuoted = false;
  const finish = () => {
    rows.at(-1)?.push(cell);
    cell = "";
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] as string;
    if (isQuoted) {
      if (character !== '"') cell += character;
      else if (text[at + 1] === '"') {
        cell += '"';
        at += 1;
      } else isQuoted = false;
    } else if (character === '"' && cell === "") isQuoted = true;
    else if (character === ",") finish();
    else if (character === "\n") {
      finish();
      rows.push([]);
    } else if (character !== "\r") cell += character;
  }
  if (isQuoted) throw new BatchError("open_quote", rows.length);
  finish();
  return rows.filter((row) => row.length > 1 || row[0] !== "");
}
