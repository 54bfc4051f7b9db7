import { beforeEach, describe, expect, it, vi } from "vitest";
import { KeyDispatcher } from "./dispatch";

let keys: KeyDispatcher;

function press(key: string, options: KeyboardEventInit = {}, target: Element = document.body) {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...options });
  target.addEventListener("keydown", keys.handle as EventListener, { once: true });
  target.dispatchEvent(event);
  return event;
}

beforeEach(() => {
  keys = new KeyDispatcher();
});

describe("KeyDispatcher", () => {
  it("runs the newest handler and returns to the one before", () => {
    const page = vi.fn();
    const panel = vi.fn();
    keys.register("next", page);
    const remove = keys.register("next", panel);
    press("j");
    remove();
    press("j");
    expect(panel).toHaveBeenCalledTimes(1);
    expect(page).toHaveBeenCalledTimes(1);
  });

  it("needs both keys of a sequence", () => {
    const go = vi.fn();
    keys.register("goUsage", go);
    press("u");
    expect(go).not.toHaveBeenCalled();
    press("g");
    press("u");
    expect(go).toHaveBeenCalledTimes(1);
  });

  it("leaves typing and open dialogs alone, except for the command menu", () => {
    const next = vi.fn();
    const commands = vi.fn();
    keys.register("next", next);
    keys.register("commands", commands);
    document.body.innerHTML = "<input>";
    const input = document.querySelector("input") as HTMLInputElement;
    expect(press("j", {}, input).defaultPrevented).toBe(false);
    press("k", { ctrlKey: true }, input);
    document.body.innerHTML = '<div role="dialog"></div>';
    press("j");
    expect(next).not.toHaveBeenCalled();
    expect(commands).toHaveBeenCalledTimes(1);
  });

  it("leaves Enter to a focused button", () => {
    const open = vi.fn();
    keys.register("open", open);
    document.body.innerHTML = "<button>x</button>";
    press("Enter", {}, document.querySelector("button") as HTMLButtonElement);
    expect(open).not.toHaveBeenCalled();
    press("Enter");
    expect(open).toHaveBeenCalledTimes(1);
  });

  it("turns single keys off", () => {
    const next = vi.fn();
    keys.register("next", next);
    keys.singleKeys = false;
    press("j");
    expect(next).not.toHaveBeenCalled();
  });

  it("lists what is active in the order of the table", () => {
    keys.register("open", vi.fn());
    const remove = keys.register("help", vi.fn());
    expect(keys.active()).toEqual(["help", "open"]);
    remove();
    expect(keys.active()).toEqual(["open"]);
  });
});
