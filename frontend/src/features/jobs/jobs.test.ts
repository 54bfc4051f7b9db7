import { describe, expect, it } from "vitest";
import { translator } from "@/lib/i18n/strings";
import { buildFields, checkField, cleanParams, withoutSecrets } from "@/lib/schema-form";
import { buildRow } from "@/lib/store/testing";
import { BatchError, parseBatch } from "./batch";
import { describeJob, getCost, getWorkedMs } from "./describe";
import { toCsv } from "./export";
import { findParts } from "./result-parts";
import { toCurl, toPython } from "./snippets";
import { buildSpans, chooseStep, collectHosts, type Happening } from "./spans";
import { jobStrings } from "./strings";

const t = translator("en", jobStrings);
const now = Date.parse("2026-01-01T00:00:10Z");

describe("what a row says", () => {
  it("names the limit that a job waits for, and when it starts", () => {
    const queue = {
      reason: "plan_concurrency",
      position: 2,
      estimated_start_at: "2026-01-01T00:00:14Z",
    } as const;
    expect(describeJob(buildRow({ queue }), t, now)).toBe("slots of the plan · in ~4 s");
    const blocked = { ...queue, estimated_start_at: null };
    expect(describeJob(buildRow({ queue: blocked }), t, now)).toBe("slots of the plan · place 2");
  });

  it("counts a running job until now, and charges completed jobs only", () => {
    const running = buildRow({ status: "RUNNING", started_at: "2026-01-01T00:00:04Z" });
    expect(getWorkedMs(running, now)).toBe(6_000);
    expect(getCost(running, true)).toBe("held");
    expect(getCost(buildRow({ status: "COMPLETED" }), true)).toBe("charged");
    expect(getCost(buildRow({ status: "FAILED" }), true)).toBe("none");
  });
});

describe("the timeline as spans", () => {
  const items = [
    { at: "2026-01-01T00:00:00Z", kind: "submitted", attempt: null, details: {} },
    {
      at: "2026-01-01T00:00:03Z",
      kind: "dispatched",
      attempt: 0,
      details: { waited_for: "plan_concurrency", waited_ms: 3_000 },
    },
    { at: "2026-01-01T00:00:03Z", kind: "started", attempt: 0, details: {} },
    {
      at: "2026-01-01T00:00:05Z",
      kind: "step",
      attempt: 0,
      details: { name: "open", took_ms: 200 },
    },
    {
      at: "2026-01-01T00:00:05Z",
      kind: "step",
      attempt: 0,
      details: { name: "goto", took_ms: 1_500 },
    },
    {
      at: "2026-01-01T00:00:05Z",
      kind: "network",
      attempt: 0,
      details: { places: [{ host: "a.example", port: 443, connections: 2, refusals: 0 }] },
    },
    {
      at: "2026-01-01T00:00:05Z",
      kind: "attempt_ended",
      attempt: 0,
      details: { outcome: "failed", reason: "timeout", error: "too slow" },
    },
    { at: "2026-01-01T00:00:06Z", kind: "dispatched", attempt: 1, details: {} },
    {
      at: "2026-01-01T00:00:07Z",
      kind: "attempt_ended",
      attempt: 1,
      details: { outcome: "succeeded" },
    },
    { at: "2026-01-01T00:00:07Z", kind: "charged", attempt: null, details: { seq: 5 } },
  ] as unknown as Happening[];

  it("shows the wait, the attempts with their steps, the pause and the charge", () => {
    const spans = buildSpans(buildRow({ status: "COMPLETED" }), items);
    expect(spans.map(({ id, start, end }) => [id, start, end])).toEqual([
      ["wait-1", 0, 3_000],
      ["attempt-1", 3_000, 5_000],
      ["attempt-1.open", 3_000, 3_200],
      ["attempt-1.goto", 3_200, 4_700],
      ["wait-2", 5_000, 6_000],
      ["attempt-2", 6_000, 7_000],
      ["charge-5", 7_000, 7_000],
    ]);
    expect(spans[0]?.name).toBe("plan_concurrency");
    expect(spans[3]).toMatchObject({ tone: "bad", error: "too slow" });
    expect(spans[2]?.tone).toBe("ok");
  });

  it("leaves the last span open while the job goes on", () => {
    const running = buildSpans(buildRow({ status: "RUNNING" }), items.slice(0, 3));
    expect(running.at(-1)).toMatchObject({ id: "attempt-1", end: undefined, tone: "run" });
    const waiting = buildSpans(buildRow(), items.slice(0, 1));
    expect(waiting).toMatchObject([{ id: "wait-1", start: 0, end: undefined }]);
  });

  it("adds up the hosts, and divides the axis into round steps", () => {
    expect(collectHosts([...items, ...items])).toMatchObject([
      { name: "a.example", connections: 4 },
    ]);
    expect(chooseStep(17_600, 5)).toBe(5_000);
    expect(chooseStep(900, 5)).toBe(200);
  });
});

describe("the form of a task type", () => {
  const schema = {
    properties: {
      timeout_ms: { anyOf: [{ type: "integer", minimum: 1, maximum: 60_000 }, { type: "null" }] },
      url: { type: "string", maxLength: 40 },
      secrets: { additionalProperties: { type: "string", writeOnly: true }, type: "object" },
      include: { type: "array", items: { $ref: "#/$defs/Prefix" } },
      mode: { anyOf: [{ enum: ["a", "b"], type: "string" }, { type: "null" }] },
    },
    required: ["url"],
    $defs: { Prefix: { type: "string" } },
  };
  const fields = buildFields(schema);

  it("has what is needed first, each with the right control", () => {
    expect(fields.map(({ name, kind }) => [name, kind])).toEqual([
      ["url", "url"],
      ["timeout_ms", "number"],
      ["secrets", "json"],
      ["include", "lines"],
      ["mode", "choice"],
    ]);
  });

  it("says what is wrong before the gateway is asked", () => {
    const [url, timeout] = fields as [(typeof fields)[0], (typeof fields)[0]];
    expect(checkField(url, "")).toEqual({ code: "required" });
    expect(checkField(url, "example.com")).toEqual({ code: "not_a_url" });
    expect(checkField(url, `https://${"a".repeat(40)}`)).toEqual({ code: "too_long", limit: 40 });
    expect(checkField(timeout, 1.5)).toEqual({ code: "not_an_integer" });
    expect(checkField(timeout, 70_000)).toEqual({ code: "too_large", limit: 60_000 });
    expect(checkField(timeout, undefined)).toBeUndefined();
  });

  it("sends only what was said, and never keeps a secret", () => {
    const params = { url: "https://example.com", mode: "", include: [], secrets: { pin: "1" } };
    expect(cleanParams(params)).toEqual({ url: params.url, secrets: params.secrets });
    expect(withoutSecrets(fields, params)).not.toHaveProperty("secrets");
  });
});

describe("many jobs from text", () => {
  it.each([
    ['[{"url": "https://a.example"}, {"url": "https://b.example"}]'],
    ['{"url": "https://a.example"}\n\n{"url": "https://b.example"}'],
    ["url\nhttps://a.example\nhttps://b.example"],
  ])("%s", (text) => {
    const urls = parseBatch(text, "echo").map(({ params }) => (params as { url?: string }).url);
    expect(urls).toEqual(["https://a.example", "https://b.example"]);
  });

  it("reads quoted cells, numbers and whole requests", () => {
    expect(parseBatch('message,delay_ms\n"a ""b"", c",5', "echo")).toEqual([
      { task_type: "echo", params: { message: 'a "b", c', delay_ms: 5 } },
    ]);
    expect(parseBatch('[{"task_type": "x", "params": {}, "priority": 1}]', "echo")).toEqual([
      { task_type: "x", params: {}, priority: 1 },
    ]);
  });

  it.each([
    ["", "empty"],
    ["[1]", "not_an_object"],
    ['{"a": 1}\n{', "not_json"],
    ['url\n"no end', "open_quote"],
  ])("%j is refused", (text, code) => {
    let error: unknown;
    try {
      parseBatch(text, "echo");
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(BatchError);
    expect(error).toMatchObject({ code });
  });
});

describe("copies", () => {
  it("quotes for the shell and for Python, without a secret", () => {
    const request = { task_type: "echo", params: { message: "it's ü" } };
    expect(toCurl(request, "k", "https://api.example")).toContain("it'\\''s ü");
    expect(toPython(request, "k", "https://api.example")).toContain("it's \\u00fc");
    expect(toCurl(request, "k", "https://api.example")).toContain("Bearer $MSAAS_KEY");
  });

  it("exports what no spreadsheet takes for a formula", () => {
    const csv = toCsv([buildRow({ last_error: '=1+1, "x"' })]);
    expect(csv).toContain(`"'=1+1, ""x"""`);
  });
});

it("a result is shown by its shape", () => {
  const links = [{ url: "https://a.example", text: "A" }, { url: "https://b.example" }];
  expect(findParts({ markdown: "# A", links }).map(({ kind }) => kind)).toEqual([
    "markdown",
    "table",
  ]);
  expect(findParts({ text: "x", timings: {} })).toEqual([{ kind: "text", text: "x" }]);
});
