import { describe, expect, it } from "vitest";
import { formatAge, formatDuration, formatMoment } from "./format";

describe("formatDuration", () => {
  it.each([
    [340, "340 ms"],
    [4_149, "4.1 s"],
    [59_990, "59.9 s"],
    [124_000, "2 m 04 s"],
    [3_900_000, "1 h 05 m"],
  ])("%d ms is %s", (milliseconds, text) => {
    expect(formatDuration("en", milliseconds)).toBe(text);
  });
});

describe("formatAge", () => {
  const now = Date.parse("2026-11-30T12:00:00Z");
  it.each([
    ["2026-11-30T11:59:54Z", "6 s"],
    ["2026-11-30T11:57:01Z", "2 m"],
    ["2026-11-18T12:00:00Z", "12 d"],
    ["2026-11-30T12:00:09Z", "0 s"],
  ])("%s is %s", (moment, text) => {
    expect(formatAge(now, moment)).toBe(text);
  });
});

it("moments are in UTC", () => {
  expect(formatMoment("en", "2026-11-30T23:59:09Z")).toBe("30 Nov 2026, 23:59:09 UTC");
});
