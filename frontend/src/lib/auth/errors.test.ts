import { expect, it } from "vitest";
import { messageOf } from "./errors";

it.each([
  [{ code: "invalid_credentials", status: 400 }, "wrong"],
  [{ code: "weak_password", status: 422 }, "weak"],
  [{ code: undefined, status: 429 }, "tooMany"],
  [{ code: "something_new", status: 500 }, "unavailable"],
  [{}, "unavailable"],
])("%o is said as %s", (error, message) => {
  expect(messageOf(error)).toBe(message);
});
