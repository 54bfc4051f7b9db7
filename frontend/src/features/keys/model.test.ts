import { expect, it } from "vitest";
import { expiryOf, isUsable, type Key, stateOf } from "./model";

const NOW = Date.parse("2026-11-30T12:00:00Z");
const KEY: Key = {
  id: "0192f0c4-7a61-7c3e-9d55-0a6f5c1b2d6a",
  name: "nightly build",
  prefix: "msaas_key_7Qz1Xb",
  scopes: ["jobs:read"],
  requests_per_minute: null,
  created_at: "2026-01-01T00:00:00Z",
  last_used_at: null,
  expires_at: null,
  revoked_at: null,
  replaced_by: null,
};

it.each([
  [{}, "active", true],
  [{ expires_at: "2026-11-30T12:00:01Z" }, "active", true],
  [{ expires_at: "2026-11-30T12:00:00Z" }, "expired", false],
  [{ replaced_by: KEY.id, expires_at: "2026-12-01T00:00:00Z" }, "replaced", true],
  [{ revoked_at: "2026-11-01T00:00:00Z", replaced_by: KEY.id }, "revoked", false],
] as const)("%o is %s", (change, state, usable) => {
  expect(stateOf({ ...KEY, ...change }, NOW)).toBe(state);
  expect(isUsable({ ...KEY, ...change }, NOW)).toBe(usable);
});

it("an expiry is whole days away, or never", () => {
  expect(expiryOf("30", NOW)).toBe("2026-12-30T12:00:00.000Z");
  expect(expiryOf("", NOW)).toBeNull();
});
