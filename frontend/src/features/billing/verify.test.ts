// @vitest-environment node
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { translator } from "@/lib/i18n/strings";
import { type Outcome, verifyProof } from "./verify";
import { verifyStrings } from "./verify-strings";

/** The file that the tests of `deploy/verify/verify_invoice.py` write; null: it cannot be read. */
type Case = { what: string; file: unknown; problems: string[] | null };

const FILE = path.resolve(import.meta.dirname, "../../../tests/unit/invoice-proofs.json");
const t = translator("en", verifyStrings);

function unpack(value: unknown, shared: readonly unknown[]): unknown {
  if (Array.isArray(value)) return value.map((each) => unpack(each, shared));
  if (typeof value !== "object" || value === null) return value;
  if ("$" in value) return shared[Number(value.$)];
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, unpack(member, shared)]),
  );
}

function readCases(): Case[] {
  const { shared, cases } = JSON.parse(readFileSync(FILE, "utf8"));
  return unpack(cases, shared) as Case[];
}

function answerOf(outcome: Outcome): string[] | null {
  if (outcome.state === "ok") return [];
  if (outcome.state !== "wrong") return null;
  return outcome.problems.map(({ key, values }) => t(key, values));
}

it("answers what the verifier in Python answers about the same files", async () => {
  const cases = readCases();
  const differing: unknown[] = [];
  for (const { what, file, problems } of cases) {
    const answer = answerOf(await verifyProof(JSON.stringify(file)));
    if (JSON.stringify(answer) !== JSON.stringify(problems))
      differing.push([what, answer, problems]);
  }
  expect(differing).toEqual([]);
  expect(cases.length).toBeGreaterThan(100);
});

it("says what a proof proves", async () => {
  const [intact] = readCases();
  expect(await verifyProof(JSON.stringify(intact?.file))).toMatchObject({
    state: "ok",
    parts: [{ first: "1", last: "10", units: "9" }],
  });
});

it("reads no file that is no JSON", async () => {
  for (const content of ["", "{", "[]", "null", '{"format": 1}']) {
    expect(await verifyProof(content)).toEqual({ state: "unreadable" });
  }
});
