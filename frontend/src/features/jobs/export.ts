import { saveFile } from "@/lib/files";
import type { JobRow } from "@/lib/store/rows";

const FIELDS = [
  "id",
  "task_type",
  "target",
  "status",
  "attempts",
  "source",
  "created_at",
  "started_at",
  "finished_at",
  "failure_reason",
  "last_error",
] as const;

/** Rows as CSV (RFC 4180). A spreadsheet must not take a text of a page for a formula. */
export function toCsv(rows: readonly JobRow[]): string {
  const lines = rows.map((row) => FIELDS.map((field) => quote(read(row, field))).join(","));
  return [FIELDS.join(","), ...lines, ""].join("\r\n");
}

function read(row: JobRow, field: (typeof FIELDS)[number]): string | number | null {
  return field === "target" ? (row.target ? row.target.host + row.target.path : null) : row[field];
}

function quote(value: string | number | null): string {
  const text = String(value ?? "");
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

export function downloadCsv(rows: readonly JobRow[]): void {
  saveFile("jobs.csv", new Blob([toCsv(rows)], { type: "text/csv" }));
}
