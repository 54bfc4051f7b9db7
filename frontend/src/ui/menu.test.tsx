import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { Menu } from "./menu";

function show() {
  const archive = vi.fn();
  const toggle = vi.fn();
  render(
    <Menu
      items={[
        { label: "Copy", run: vi.fn() },
        { label: "Archive", run: archive },
        { label: "Wide", checked: true, run: toggle },
      ]}
      trigger={(props) => (
        <button type="button" {...props}>
          Actions
        </button>
      )}
    />,
  );
  return { user: userEvent.setup(), archive, toggle, button: screen.getByRole("button") };
}

it("is walked by arrows, ends and letters, and gives the focus back", async () => {
  const { user, archive, button } = show();
  button.focus();
  await user.keyboard("{ArrowDown}");
  const [copy, archiveItem, wide] = [
    screen.getByRole("menuitem", { name: "Copy" }),
    screen.getByRole("menuitem", { name: "Archive" }),
    screen.getByRole("menuitemcheckbox", { name: "Wide" }),
  ];
  expect(screen.getByRole("menu", { name: "Actions" })).toBeVisible();
  expect(copy).toHaveFocus();
  await user.keyboard("{ArrowUp}");
  expect(wide).toHaveFocus();
  await user.keyboard("{Home}a");
  expect(archiveItem).toHaveFocus();
  await user.keyboard("{Enter}");
  expect(archive).toHaveBeenCalledOnce();
  expect(screen.queryByRole("menu")).toBeNull();
  expect(button).toHaveFocus();
});

it("stays open when an item is switched, and closes by Escape or outside", async () => {
  const { user, toggle, button } = show();
  await user.click(button);
  expect(button).toHaveAttribute("aria-expanded", "true");
  await user.click(screen.getByRole("menuitemcheckbox", { name: "Wide" }));
  expect(toggle).toHaveBeenCalledOnce();
  expect(screen.getByRole("menuitemcheckbox", { name: "Wide" })).toBeChecked();
  await user.keyboard("{Escape}");
  expect(screen.queryByRole("menu")).toBeNull();
  expect(button).toHaveFocus();
  await user.click(button);
  await user.click(document.body);
  expect(screen.queryByRole("menu")).toBeNull();
});
