import { expect, it } from "vitest";
import { safeNextPath } from "./next-path";

it.each([
  ["/jobs/1?tab=result", "/jobs/1?tab=result"],
  ["/usage#forecast", "/usage#forecast"],
  [null, "/jobs"],
  ["https://example.com", "/jobs"],
  ["//example.com", "/jobs"],
  ["/\t/example.com", "/jobs"],
  ["/\\example.com", "/jobs"],
  ["/.//example.com", "/jobs"],
  ["/login?next=/login", "/jobs"],
  ["/api/v1/me", "/jobs"],
  ["javascript:alert(1)", "/jobs"],
])("%s leads to %s", (given, path) => {
  expect(safeNextPath(given)).toBe(path);
});
