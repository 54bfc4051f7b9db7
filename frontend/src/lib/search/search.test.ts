import fc from "fast-check";
import { describe, expect, it } from "vitest";
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

describe("errors have a place", () => {
  it.each([
    ["colour:red", "unknown_key", 0, 6],
    ["age:<1h colour:red", "unknown_key", 8, 14],
    ["status:broken", "unknown_value", 7, 13],
    ["age:<soon", "not_a_duration", 5, 9],
    ["priority:high", "not_a_number", 9, 13],
    ["created:2026-02-31T99:00:00Z", "not_a_date", 8, 28],
    ["type:", "missing_value", 5, 6],
    ['error:"no end', "open_quote", 6, 13],
  ])("%s", (text, code, start, end) => {
    let error: unknown;
    try {
      parseSearch(text);
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ code, start, end });
  });
});

describe("what matches", () => {
  const now = Date.parse("2026-01-01T01:00:00Z");
  const row = buildRow({
    id: "0192f0c4-7a61-7c3e-9d55-0a6f5c1b2d3e",
    task_type: "extract_markdown",
    status: "FAILED",
    attempts: 3,
    created_at: "2026-01-01T00:30:00Z",
    run_at: "2026-01-01T00:30:00Z",
    started_at: "2026-01-01T00:30:05Z",
    finished_at: "2026-01-01T00:30:09Z",
    last_error: "Page answered 403 on load",
    failure_reason: "navigation_failed",
  });
  const matches = (text: string) => {
    const filter = compileSearch(parseSearch(text), { isBillable: () => true });
    return filter.matches(row, now) && (filter.statuses?.has(row.status) ?? true);
  };

  it.each([
    "",
    "status:failed",
    "status:running,failed",
    "-status:completed",
    "type:extract_*",
    "type:EXTRACT_markdown",
    "id:5c1b2d3e",
    "age:<1h",
    "age:>=30m",
    "took:4s",
    "waited:>4s",
    "attempts:3",
    "cost:0",
    "created:2026-01-01",
    "created:<2026-01-02",
    "error:403",
    "reason:navigation_*",
    '"answered 403"',
    "source:api -source:dashboard",
  ])("%s", (text) => {
    expect(matches(text)).toBe(true);
  });

  it.each([
    "status:failed -status:failed",
    "type:extract",
    'type:"extract_*"',
    "age:<30m",
    "cost:>0",
    "created:>2026-01-01",
    "finished:<2026-01-01",
    "nothing",
    "-403",
  ])("not %s", (text) => {
    expect(matches(text)).toBe(false);
  });
});
