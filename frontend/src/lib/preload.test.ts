import { afterEach, expect, test, vi } from "vitest";
import { preload } from "./preload";

const onRejection = vi.fn();
process.on("unhandledRejection", onRejection);

afterEach(() => {
  process.off("unhandledRejection", onRejection);
});

test("a part that cannot be loaded in advance is no error of the page", async () => {
  let loads = 0;
  preload(async () => {
    loads += 1;
    throw new Error("offline");
  });
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(loads).toBe(1);
  expect(onRejection).not.toHaveBeenCalled();
});
