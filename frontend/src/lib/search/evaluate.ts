import type { JobRow, JobStatus } from "../store/rows";
import type { ViewFilter } from "../store/view";
import type {
  DateTerm,
  DurationTerm,
  MatchTerm,
  NumberTerm,
  Operator,
  Pattern,
  Query,
  StatusWord,
  Term,
} from "./ast";

type Test = (row: JobRow, now: number) => boolean;

export const STATUS_OF: Readonly<Record<StatusWord, JobStatus>> = {
  queued: "PENDING",
  running: "RUNNING",
  completed: "COMPLETED",
  failed: "FAILED",
  cancelled: "CANCELLED",
};

export const WORD_OF = Object.fromEntries(
  Object.entries(STATUS_OF).map(([word, status]) => [status, word]),
) as Readonly<Record<JobStatus, StatusWord>>;

export interface SearchContext {
  /** Whether a completed job of a type costs a unit. */
  readonly isBillable: (taskType: string) => boolean;
}

/** Compile a search into a filter. Terms with `status:` are kept apart, for the counts. */
export function compileSearch(query: Query, context: SearchContext): ViewFilter {
  const statusTerms: MatchTerm[] = [];
  const tests: Test[] = [];
  for (const term of query) {
    if (isStatusTerm(term)) statusTerms.push(term);
    else tests.push(negate(compileTerm(term, context), term.negated));
  }
  return {
    matches: (row, now) => tests.every((test) => test(row, now)),
    statuses: statusTerms.length > 0 ? intersect(statusTerms) : undefined,
    changesWithTime: query.some((term) => term.kind === "duration"),
  };
}

export function isStatusTerm(term: Term): term is MatchTerm {
  return term.kind === "match" && term.key === "status";
}

function intersect(terms: readonly MatchTerm[]): ReadonlySet<JobStatus> {
  const accepts = (status: JobStatus) =>
    terms.every((term) => {
      const named = term.values.some(({ text }) => STATUS_OF[text as StatusWord] === status);
      return named !== term.negated;
    });
  return new Set(Object.values(STATUS_OF).filter(accepts));
}

function compileTerm(term: Exclude<Term, never>, context: SearchContext): Test {
  switch (term.kind) {
    case "words":
      return compileWords(term.text);
    case "match":
      return compileMatch(term);
    case "number":
      return compileNumber(term, context);
    case "duration":
      return compileDuration(term);
    case "date":
      return compileDate(term);
  }
}

function negate(test: Test, negated: boolean): Test {
  return negated ? (row, now) => !test(row, now) : test;
}

function compileWords(text: string): Test {
  const wanted = text.toLowerCase();
  return (row) =>
    [row.last_error, row.failure_reason, row.task_type, row.progress?.message].some((value) =>
      value?.toLowerCase().includes(wanted),
    );
}

function compileMatch({ key, values }: MatchTerm): Test {
  const patterns = values.map((value) => compilePattern(value, key === "error"));
  const read: Readonly<Record<MatchTerm["key"], (row: JobRow) => string | null>> = {
    status: (row) => WORD_OF[row.status],
    type: (row) => row.task_type,
    source: (row) => row.source,
    id: (row) => row.id,
    reason: (row) => row.failure_reason,
    error: (row) => row.last_error,
    correlation: (row) => row.correlation_id,
    host: (row) => row.target?.host ?? null,
    path: (row) => row.target?.path ?? null,
    key: (row) => row.api_key?.name ?? null,
  };
  const readValue = read[key];
  const isId = key === "id" || key === "correlation";
  return (row) => {
    const value = readValue(row);
    if (value === null) return false;
    return patterns.some((matches) => matches(value, isId));
  };
}

/** Ids also match by their end, which is what the list shows of them. */
function compilePattern({ text, exact }: Pattern, anywhere: boolean) {
  const wanted = text.toLowerCase();
  if (exact || !text.includes("*")) {
    return (value: string, isId: boolean): boolean => {
      const given = value.toLowerCase();
      if (anywhere) return given.includes(wanted);
      return given === wanted || (isId && wanted.length >= 4 && given.endsWith(wanted));
    };
  }
  const parts = text.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  const pattern = new RegExp(`^${parts.join(".*")}$`, "is");
  return (value: string): boolean => pattern.test(value);
}

const COMPARE: Readonly<Record<Operator, (a: number, b: number) => boolean>> = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => a === b,
};

function compileNumber({ key, operator, value }: NumberTerm, context: SearchContext): Test {
  const compare = COMPARE[operator];
  if (key !== "cost") return (row) => compare(row[key], value);
  return (row) => {
    const isCharged = row.status === "COMPLETED" && context.isBillable(row.task_type);
    return compare(isCharged ? 1 : 0, value);
  };
}

function compileDuration({ key, operator, value }: DurationTerm): Test {
  const compare = COMPARE[operator];
  return (row, now) => {
    const measured = measure(row, key, now);
    return measured !== undefined && compare(measured, value);
  };
}

/** Milliseconds; undefined before the job has started. */
export function measure(row: JobRow, key: DurationTerm["key"], now: number): number | undefined {
  if (key === "age") return now - Date.parse(row.created_at);
  const started = row.started_at === null ? undefined : Date.parse(row.started_at);
  if (key === "waited") {
    const due = Math.max(Date.parse(row.created_at), Date.parse(row.run_at));
    return (started ?? now) - Math.min(due, started ?? now);
  }
  if (started === undefined) return undefined;
  return (row.finished_at === null ? now : Date.parse(row.finished_at)) - started;
}

const DAY_MS = 86_400_000;

function compileDate({ key, operator, value }: DateTerm): Test {
  const start = Date.parse(value);
  const end = value.length === 10 ? start + DAY_MS : start + 1_000;
  const read = (row: JobRow) => (key === "created" ? row.created_at : row.finished_at);
  return (row) => {
    const given = read(row);
    if (given === null) return false;
    const moment = Date.parse(given);
    if (operator === "=") return moment >= start && moment < end;
    // A day or a second is a span: after it means after its end.
    return COMPARE[operator](moment, operator === ">" || operator === "<=" ? end - 1 : start);
  };
}
