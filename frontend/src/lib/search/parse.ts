import {
  ALLOWED,
  isDateKey,
  isDurationKey,
  isNumberKey,
  isTextKey,
  KEYS,
  type Operator,
  type Pattern,
  type Query,
  type Term,
  type TextKey,
} from "./ast";

export type SearchErrorCode =
  | "unknown_key"
  | "missing_value"
  | "unknown_value"
  | "not_a_number"
  | "not_a_duration"
  | "not_a_date"
  | "open_quote"
  | "null_character"
  | "too_long";

/** What is wrong, and where: `start` and `end` count UTF-16 units of the text. */
export class SearchError extends Error {
  constructor(
    readonly code: SearchErrorCode,
    readonly start: number,
    readonly end: number,
    readonly given: string,
    readonly allowed: readonly string[] = [],
  ) {
    super(`${code} at ${start}: ${given}`);
  }
}

/** A term, and where it stands in the text. */
export interface PlacedTerm {
  readonly term: Term;
  readonly start: number;
  readonly end: number;
}

export const MAX_LENGTH = 1_000;

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const NUMBER = /^\d{1,12}(\.\d{1,6})?$/;
const DURATION = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d|w)$/;
const DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?$/;
const KEY_START = /^[a-z][a-z_]*:/;

export function parseSearch(text: string): Query {
  return parsePlaced(text).map(({ term }) => term);
}

export function parsePlaced(text: string): PlacedTerm[] {
  if (text.length > MAX_LENGTH) throw new SearchError("too_long", MAX_LENGTH, text.length, "");
  const nul = text.indexOf("\0");
  if (nul >= 0) throw new SearchError("null_character", nul, nul + 1, "");
  return new Parser(text).parse();
}

class Parser {
  private at = 0;

  constructor(private readonly text: string) {}

  parse(): PlacedTerm[] {
    const terms: PlacedTerm[] = [];
    for (this.skipSpace(); this.at < this.text.length; this.skipSpace()) {
      const start = this.at;
      const term = this.parseTerm();
      terms.push({ term, start, end: this.at });
    }
    return terms;
  }

  private parseTerm(): Term {
    const negated = this.text[this.at] === "-" && !this.isSpaceAt(this.at + 1);
    if (negated) this.at += 1;
    const key = KEY_START.exec(this.text.slice(this.at))?.[0].slice(0, -1);
    if (key === undefined) return { kind: "words", negated, text: this.readText().text };
    const keyStart = this.at;
    this.at += key.length + 1;
    if (isTextKey(key)) return { kind: "match", negated, key, values: this.readValues(key) };
    const operator = this.readOperator();
    const start = this.at;
    const given = this.readRequired();
    if (isNumberKey(key)) {
      if (!NUMBER.test(given)) this.fail("not_a_number", start, given);
      return { kind: "number", negated, key, operator, value: Number(given) };
    }
    if (isDurationKey(key)) {
      const [, count, unit] = DURATION.exec(given) ?? this.fail("not_a_duration", start, given);
      const value = Math.round(Number(count) * (UNITS[unit as string] as number));
      return { kind: "duration", negated, key, operator, value };
    }
    if (isDateKey(key)) {
      if (!DATE.test(given) || !isOnTheCalendar(given)) this.fail("not_a_date", start, given);
      return { kind: "date", negated, key, operator, value: given };
    }
    throw new SearchError("unknown_key", keyStart, keyStart + key.length, key, KEYS);
  }

  private readValues(key: TextKey): Pattern[] {
    const values: Pattern[] = [];
    do {
      const start = this.at;
      const pattern = this.readText(",");
      if (pattern.text === "" && !pattern.exact) this.fail("missing_value", start, "");
      values.push(this.check(key, pattern, start));
    } while (this.take(","));
    return values;
  }

  private check(key: TextKey, pattern: Pattern, start: number): Pattern {
    const allowed = ALLOWED[key];
    if (!allowed) return pattern;
    const text = pattern.text.toLowerCase();
    if (allowed.includes(text)) return { text, exact: false };
    throw new SearchError("unknown_value", start, this.at, pattern.text, allowed);
  }

  private readOperator(): Operator {
    for (const operator of ["<=", ">=", "<", ">", "="] as const) {
      if (this.take(operator)) return operator;
    }
    return "=";
  }

  private readRequired(): string {
    const start = this.at;
    const { text } = this.readText();
    if (text === "") this.fail("missing_value", start, "");
    return text;
  }

  /** Read a word, or a text in quotes, in which `\` makes the next character an ordinary one. */
  private readText(end = ""): Pattern {
    if (this.text[this.at] === '"') return { text: this.readQuoted(), exact: true };
    const start = this.at;
    while (this.at < this.text.length && !this.isSpaceAt(this.at)) {
      if (this.text[this.at] === end) break;
      this.at += 1;
    }
    return { text: this.text.slice(start, this.at), exact: false };
  }

  private readQuoted(): string {
    const start = this.at;
    let text = "";
    for (this.at += 1; this.at < this.text.length; this.at += 1) {
      const character = this.text[this.at];
      if (character === '"') {
        this.at += 1;
        return text;
      }
      if (character === "\\") this.at += 1;
      text += this.text[this.at] ?? "";
    }
    return this.fail("open_quote", start, this.text.slice(start));
  }

  private take(expected: string): boolean {
    if (!this.text.startsWith(expected, this.at)) return false;
    this.at += expected.length;
    return true;
  }

  private skipSpace(): void {
    while (this.at < this.text.length && this.isSpaceAt(this.at)) this.at += 1;
  }

  private isSpaceAt(at: number): boolean {
    const character = this.text[at];
    return character === undefined || /\s/.test(character);
  }

  private fail(code: SearchErrorCode, start: number, given: string): never {
    throw new SearchError(code, start, Math.max(this.at, start + 1), given);
  }
}

/** `Date.parse` takes 31 February for a day in March. */
function isOnTheCalendar(given: string): boolean {
  const moment = new Date(given);
  return !Number.isNaN(moment.valueOf()) && moment.toISOString().startsWith(given.replace("Z", ""));
}
