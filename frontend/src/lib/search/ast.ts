/** A search as its terms; all of them must hold. The text of a search is described in docs/search.md. */

export type Operator = "<" | "<=" | ">" | ">=" | "=";

export type TextKey =
  | "status"
  | "type"
  | "source"
  | "id"
  | "reason"
  | "error"
  | "correlation"
  | "host"
  | "path"
  | "key";
export type NumberKey = "attempts" | "priority" | "cost";
export type DurationKey = "age" | "took" | "waited";
export type DateKey = "created" | "finished";
export type Key = TextKey | NumberKey | DurationKey | DateKey;

interface Negatable {
  readonly negated: boolean;
}

/** One of several values; `*` stands for any characters, except in quotes. */
export interface MatchTerm extends Negatable {
  readonly kind: "match";
  readonly key: TextKey;
  readonly values: readonly Pattern[];
}

export interface Pattern {
  readonly text: string;
  /** Whether `*` is a character like any other. */
  readonly exact: boolean;
}

export interface NumberTerm extends Negatable {
  readonly kind: "number";
  readonly key: NumberKey;
  readonly operator: Operator;
  readonly value: number;
}

/** The value is in milliseconds. */
export interface DurationTerm extends Negatable {
  readonly kind: "duration";
  readonly key: DurationKey;
  readonly operator: Operator;
  readonly value: number;
}

/** The value is a day (`2026-11-30`) or a moment in UTC (`2026-11-30T12:00:00Z`). */
export interface DateTerm extends Negatable {
  readonly kind: "date";
  readonly key: DateKey;
  readonly operator: Operator;
  readonly value: string;
}

/** Words anywhere in the error, the reason, the type or the progress message. */
export interface WordsTerm extends Negatable {
  readonly kind: "words";
  readonly text: string;
}

export type Term = MatchTerm | NumberTerm | DurationTerm | DateTerm | WordsTerm;
export type Query = readonly Term[];

export const TEXT_KEYS: readonly TextKey[] = [
  "status",
  "type",
  "source",
  "id",
  "reason",
  "error",
  "correlation",
  "host",
  "path",
  "key",
];
export const NUMBER_KEYS: readonly NumberKey[] = ["attempts", "priority", "cost"];
export const DURATION_KEYS: readonly DurationKey[] = ["age", "took", "waited"];
export const DATE_KEYS: readonly DateKey[] = ["created", "finished"];
export const KEYS: readonly Key[] = [...TEXT_KEYS, ...NUMBER_KEYS, ...DURATION_KEYS, ...DATE_KEYS];

export const STATUS_WORDS = ["queued", "running", "completed", "failed", "cancelled"] as const;
export type StatusWord = (typeof STATUS_WORDS)[number];
export const SOURCE_WORDS = ["dashboard", "api", "agent", "schedule", "replay"] as const;

/** Keys whose values are words of a list. */
export const ALLOWED: Partial<Record<TextKey, readonly string[]>> = {
  status: STATUS_WORDS,
  source: SOURCE_WORDS,
};

export function isTextKey(key: string): key is TextKey {
  return (TEXT_KEYS as readonly string[]).includes(key);
}
export function isNumberKey(key: string): key is NumberKey {
  return (NUMBER_KEYS as readonly string[]).includes(key);
}
export function isDurationKey(key: string): key is DurationKey {
  return (DURATION_KEYS as readonly string[]).includes(key);
}
export function isDateKey(key: string): key is DateKey {
  return (DATE_KEYS as readonly string[]).includes(key);
}
