import type { Operator, Pattern, Query, Term } from "./ast";

/** The canonical text of a search: parsing it gives the same terms. */
export function printSearch(query: Query): string {
  return query.map(printTerm).join(" ");
}

export function printTerm(term: Term): string {
  const sign = term.negated ? "-" : "";
  switch (term.kind) {
    case "words":
      return sign + printWords(term.text);
    case "match":
      return `${sign}${term.key}:${term.values.map(printPattern).join(",")}`;
    case "number":
      return `${sign}${term.key}:${printOperator(term.operator)}${printNumber(term.value)}`;
    case "duration":
      return `${sign}${term.key}:${printOperator(term.operator)}${printDuration(term.value)}`;
    case "date":
      return `${sign}${term.key}:${printOperator(term.operator)}${term.value}`;
  }
}

const UNITS = [
  ["w", 604_800_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

/** The largest unit that needs no decimals. */
export function printDuration(milliseconds: number): string {
  for (const [unit, size] of UNITS) {
    if (milliseconds > 0 && milliseconds % size === 0) return `${milliseconds / size}${unit}`;
  }
  return `${milliseconds}ms`;
}

function printNumber(value: number): string {
  return value.toFixed(6).replace(/\.?0+$/, "");
}

function printOperator(operator: Operator): string {
  return operator === "=" ? "" : operator;
}

function printPattern({ text, exact }: Pattern): string {
  return exact || text === "" || /[\s",]/.test(text) ? quote(text) : text;
}

function printWords(text: string): string {
  const isPlain = text !== "" && !/^-|^"|\s|^[a-z][a-z_]*:/.test(text);
  return isPlain ? text : quote(text);
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}
