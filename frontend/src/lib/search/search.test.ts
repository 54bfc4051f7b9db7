import fc from "fast-check";
import { describe, expect, it } from "vitest";
import examples from "../../../../contracts/search/examples.json";
import type { JobRow } from "../store/rows";
import { buildRow } from "../store/testing";
import {
  DATE_KEYS,
  DURATION_KEYS,
  NUMBER_KEYS,
  type Query,
  SOURCE_WORDS,
  STATUS_WORDS,
  type Term,
} from "./ast";
import { compileSearch } from "./evaluate";
import { parsePlaced, parseSearch, SearchError } from "./parse";
import { printSearch, printTerm } from "./print";
import { getOnlyStatus, readSearch, withStatus, writeSearch } from "./url";

const negated = fc.boolean();
const operator = fc.constantFrom("<", "<=", ">", ">=", "=") as fc.Arbitrary<"<">;
const anyText = fc.string({ unit: "grapheme", minLength: 0, maxLength: 12 });
const plainText = fc.stringMatching(/^[a-z0-9_*.]{1,12}$/);
const pattern = fc.oneof(
  fc.record({ text: plainText, exact: fc.constant(false) }),
  fc.record({ text: anyText, exact: fc.constant(true) }),
);
const word = (words: readonly string[]) =>
  fc.record({ text: fc.constantFrom(...words), exact: fc.constant(false) });
const values = (value: typeof pattern) => fc.array(value, { minLength: 1, maxLength: 3 });

const term = fc.oneof(
  fc.record({ kind: fc.constant("words" as const), negated, text: anyText }),
  fc.record({
    kind: fc.constant("match" as const),
    negated,
    key: fc.constantFrom("type", "id", "reason", "error", "correlation"),
    values: values(pattern),
  }),
  fc.record({
    kind: fc.constant("match" as const),
    negated,
    key: fc.constant("status"),
    values: values(word(STATUS_WORDS)),
  }),
  fc.record({
    kind: fc.constant("match" as const),
    negated,
    key: fc.constant("source"),
    values: values(word(SOURCE_WORDS)),
  }),
  fc.record({
    kind: fc.constant("number" as const),
    negated,
    operator,
    key: fc.constantFrom(...NUMBER_KEYS),
    value: fc.integer({ min: 0, max: 1e9 }).map((value) => value / 100),
  }),
  fc.record({
    kind: fc.constant("duration" as const),
    negated,
    operator,
    key: fc.constantFrom(...DURATION_KEYS),
    value: fc.nat(100_000_000),
  }),
  fc.record({
    kind: fc.constant("date" as const),
    negated,
    operator,
    key: fc.constantFrom(...DATE_KEYS),
    value: fc.constantFrom("2026-01-31", "2026-11-30T12:00:00Z"),
  }),
) as fc.Arbitrary<Term>;
const query: fc.Arbitrary<Query> = fc.array(term, { maxLength: 5 });

describe("text, chips and address", () => {
  it("lose nothing: the text of a search gives the same search", () => {
    fc.assert(
      fc.property(query, (given) => {
        const text = printSearch(given);
        fc.pre(text.length <= 1_000);
        expect(parseSearch(text)).toEqual(given);
        const chips = parsePlaced(text).map(({ term: one }) => printTerm(one));
        expect(parseSearch(chips.join(" "))).toEqual(given);
        const address = writeSearch(new URLSearchParams("tab=x"), text).toString();
        expect(readSearch(new URLSearchParams(address)).trim()).toBe(text.trim());
      }),
      { numRuns: 500 },
    );
  });

  it("any text is understood or refused with a place inside it, and printing is stable", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        try {
          const printed = printSearch(parseSearch(text));
          expect(printSearch(parseSearch(printed))).toBe(printed);
        } catch (error) {
          expect(error).toBeInstanceOf(SearchError);
          const { start, end } = error as SearchError;
          expect(start).toBeLessThan(end);
          expect(start).toBeLessThanOrEqual(text.length);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("the status tabs are a term of the search", () => {
    const given = parseSearch("age:<1h status:failed");
    expect(getOnlyStatus(given)).toBe("FAILED");
    expect(printSearch(withStatus(given, "RUNNING"))).toBe("status:running age:<1h");
    expect(printSearch(withStatus(given, undefined))).toBe("age:<1h");
    expect(getOnlyStatus(parseSearch("status:failed,queued"))).toBeUndefined();
  });
});

describe("the examples that every implementation is tested with", () => {
  it.each(examples.errors)("refused: $text", ({ text, code, start, end }) => {
    let error: unknown;
    try {
      parseSearch(text);
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ code, start, end });
  });

  it.each(examples.canonical)("printed: $text", ({ text, canonical }) => {
    expect(printSearch(parseSearch(text))).toBe(canonical);
  });

  const now = Date.parse(examples.now);
  const rows = Object.entries(examples.jobs).map(([name, { billable, ...job }]) => ({
    name,
    billable,
    row: buildRow(job as Partial<JobRow>),
  }));

  it.each(examples.searches)("found: $text", ({ text, finds }) => {
    const found = rows.filter(({ row, billable }) => {
      const filter = compileSearch(parseSearch(text), { isBillable: () => billable });
      return filter.matches(row, now) && (filter.statuses?.has(row.status) ?? true);
    });
    expect(found.map(({ name }) => name)).toEqual(finds);
  });
});
