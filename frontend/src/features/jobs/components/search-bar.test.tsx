import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useMemo, useState } from "react";
import { expect, it } from "vitest";
import { compileSearch } from "@/lib/search/evaluate";
import { tryParse } from "../use-search";
import { SearchBar } from "./search-bar";

function Harness({ initial = "" }: { initial?: string }) {
  const [text, set] = useState(initial);
  const parsed = useMemo(() => tryParse(text), [text]);
  const filter = compileSearch(parsed.query, { isBillable: () => true });
  return (
    <>
      <SearchBar search={{ text, ...parsed, filter, set }} count="3 jobs" />
      <output>{text}</output>
    </>
  );
}

const field = () => screen.getByRole<HTMLInputElement>("textbox", { name: "Search jobs" });

it("makes chips of terms, and takes the last one back into the field", async () => {
  const user = userEvent.setup();
  const { container } = render(<Harness />);
  const output = () => container.querySelector("output")?.textContent;
  await user.type(field(), "status:failed ");
  await user.type(field(), "type:extract_*{Enter}");
  expect(output()).toBe("status:failed type:extract_*");
  await user.type(field(), "{Backspace}");
  expect(field().value).toBe("type:extract_*");
  expect(output()).toBe("status:failed");
  await user.click(screen.getByRole("button", { name: "Remove status:failed" }));
  expect(output()).toBe("");
});

it("marks the mistake and says what is possible", async () => {
  const user = userEvent.setup();
  render(<Harness />);
  await user.type(field(), "status:broken{Enter}");
  expect(field()).toBeInvalid();
  expect(field()).toHaveAccessibleDescription(/broken is not one of its values.*queued, running/);
});
