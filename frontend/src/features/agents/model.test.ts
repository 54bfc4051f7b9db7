import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromCeilings, isWithin, toCeilings } from "./ceilings-form";
import {
  appendToken,
  formatCountdown,
  formatUsd,
  getCurrentStep,
  getOpenApproval,
  type LiveText,
  mergeRun,
  mergeStep,
  type RunFrame,
  type Step,
} from "./model";
import { nameReason } from "./reasons";
import { buildApproval, buildRun, buildStep, hashText, QUOTE, SPAN, TEXT } from "./testing";
import { verifyCitation } from "./verify";

describe("the text that is being written", () => {
  const parts = fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }), {
    minLength: 1,
    maxLength: 30,
  });

  it("is whole however often its parts are received again", () => {
    fc.assert(
      fc.property(parts, fc.array(fc.nat(), { maxLength: 40 }), (given, repeats) => {
        let offset = 0;
        const tokens = given.map((text) => {
          const token = { call: "write", offset, text };
          offset += [...text].length;
          return token;
        });
        let shown: LiveText | null = null;
        tokens.forEach((token, at) => {
          shown = appendToken(shown, token);
          // A stream that resumes, or begins again, repeats what came before.
          for (const repeat of repeats.filter((number) => number % tokens.length === at)) {
            for (const again of tokens.slice(repeat % (at + 1), at + 1)) {
              shown = appendToken(shown, again);
            }
          }
        });
        expect(shown).toEqual({ call: "write", start: 0, length: offset, text: given.join("") });
      }),
    );
  });

  it("begins anew with another call, and says when its beginning was not received", () => {
    const first = appendToken(null, { call: "a", offset: 0, text: "plan" });
    expect(appendToken(first, { call: "b", offset: 0, text: "answer" }).text).toBe("answer");
    expect(appendToken(null, { call: "a", offset: 7, text: "late" }).start).toBe(7);
    expect(appendToken(first, { call: "a", offset: 9, text: "gap" })).toMatchObject({ start: 9 });
  });
});

describe("steps", () => {
  it("end as they ended, in order, in whichever order their states are received", () => {
    const done = (seq: number): Step =>
      buildStep({ seq, state: "done", finished_at: "2026-01-01T00:00:09Z" });
    const frames = [0, 1, 2, 3].flatMap((seq) => [
      buildStep({ seq }),
      buildStep({ seq, state: "waiting" }),
      done(seq),
    ]);
    fc.assert(
      fc.property(fc.shuffledSubarray([...frames, ...frames]), (order) => {
        const received = new Set(order.filter(({ finished_at: end }) => end).map(({ seq }) => seq));
        const steps = order.reduce<readonly Step[]>(mergeStep, []);
        const seqs = steps.map(({ seq }) => seq);
        expect(seqs).toEqual([...new Set(order.map(({ seq }) => seq))].sort());
        for (const step of steps) {
          if (received.has(step.seq)) expect(step).toEqual(done(step.seq));
        }
      }),
    );
  });

  it("under way come before the last one", () => {
    const open = buildStep({ seq: 1 });
    const ended = buildStep({ seq: 2, finished_at: "2026-01-01T00:00:09Z" });
    expect(getCurrentStep([open, ended])).toBe(open);
    expect(getCurrentStep([ended])).toBe(ended);
    expect(getCurrentStep([])).toBeUndefined();
  });
});

it("a run never goes back, and what is spent is taken from what is left", () => {
  const run = buildRun();
  const { ceilings: _, params, result, citations, ...rest } = run;
  const spend = { ...run.spend, tokens_out: 1_100, cost_micro_usd: 20_000, steps: 3 };
  const frame: RunFrame = { ...rest, spend, version: 4, ceilings: { tokens: 50_000 } };
  const merged = mergeRun(run, frame);
  expect(merged.ceilings.tokens).toEqual({
    limit: 50_000,
    spent: 2_000,
    held: 2_000,
    left: 46_000,
  });
  expect(merged.ceilings.cost_micro_usd.left).toBe(250_000 - 20_000 - 600);
  expect(merged).toMatchObject({ params, result, citations, version: 4 });
  expect(mergeRun(merged, { ...frame, version: 4, title: "older" })).toBe(merged);
});

it("an approval that has expired is not open", () => {
  const end = "2026-01-01T01:00:00Z";
  const approvals = [buildApproval({ state: "denied" }), buildApproval({ expires_at: end })];
  expect(getOpenApproval(approvals, Date.parse(end) - 1)).toBe(approvals[1]);
  expect(getOpenApproval(approvals, Date.parse(end))).toBeUndefined();
});

it("ceilings are typed in dollars and minutes, and never above the plan", () => {
  const plan = { steps: 20, tokens: 60_000, cost_micro_usd: 250_000, seconds: 900 };
  expect(toCeilings({})).toBeUndefined();
  expect(toCeilings({ cost_micro_usd: 0.1, seconds: 1.5 })).toEqual({
    cost_micro_usd: 100_000,
    seconds: 90,
  });
  expect(fromCeilings({ cost_micro_usd: 100_000, steps: null })).toEqual({ cost_micro_usd: 0.1 });
  expect(isWithin("cost_micro_usd", 0.25, plan)).toBe(true);
  for (const wrong of [0, -1, 0.2501, Number.NaN]) {
    expect(isWithin("cost_micro_usd", wrong, plan)).toBe(false);
  }
});

it("a citation is true if the text has the hash and the quote stands at its place", async () => {
  const sha256 = await hashText(TEXT);
  const citation = { url: "https://shop.example/", sha256, ...SPAN, quote: QUOTE, job_id: null };
  const at = TEXT.indexOf(QUOTE);
  const whole = {
    ...{ url: citation.url, title: null, length: [...TEXT].length, sha256, ...SPAN },
    before: TEXT.slice(0, at),
    passage: QUOTE,
    after: TEXT.slice(at + QUOTE.length),
  };
  expect(await verifyCitation(citation, whole)).toBe("literal");
  expect(await verifyCitation(citation, { ...whole, after: `${whole.after}!` })).toBe("other_text");
  expect(await verifyCitation({ ...citation, quote: "It is free." }, whole)).toBe("other_words");
  expect(await verifyCitation({ ...citation, start: 0 }, whole)).toBe("other_words");
});

it("money, time and reasons are shown in words", () => {
  expect(formatUsd("en", 187_000)).toBe("$0.187");
  expect(formatUsd("en", 120)).toBe("$0.000120");
  expect(formatCountdown(22 * 60_000 + 14_000)).toBe("22:14");
  expect(formatCountdown(3_905_000)).toBe("1:05:05");
  expect(nameReason("cost_of_the_day")).toBe("day");
  expect(nameReason("tokens")).toBe("tokens");
  expect(nameReason("something_else")).toBeUndefined();
});
