import { BINDINGS, type BindingId } from "./bindings";

/** Runs the handler of a key. The last one that was registered for a binding wins. */

export type Handler = (event: KeyboardEvent) => void;

const SEQUENCE_MS = 1500;

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.closest("input, textarea, select, [role=menu]") !== null)
  );
}

/** Enter and Space belong to the control that has the focus. */
function activatesControl(event: KeyboardEvent): boolean {
  return (
    (event.key === "Enter" || event.key === " ") &&
    event.target instanceof HTMLElement &&
    event.target.closest("a, button, summary") !== null
  );
}

export class KeyDispatcher {
  readonly #handlers = new Map<BindingId, Handler[]>();
  readonly #listeners = new Set<() => void>();
  #first: { key: string; at: number } | undefined;
  #active: readonly BindingId[] = [];
  /** Keys without a modifier can be turned off: speech input may press them by accident. */
  singleKeys = true;

  register(id: BindingId, handler: Handler): () => void {
    this.#handlers.set(id, [...(this.#handlers.get(id) ?? []), handler]);
    this.#changed();
    return () => {
      const rest = (this.#handlers.get(id) ?? []).filter((each) => each !== handler);
      if (rest.length > 0) this.#handlers.set(id, rest);
      else this.#handlers.delete(id);
      this.#changed();
    };
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** The bindings that do something on this page, in the order of the table. */
  active = (): readonly BindingId[] => this.#active;

  handle = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing || event.altKey || event.repeat === undefined) {
      return;
    }
    const mod = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const pressed = mod ? `mod+${key}` : key;
    const now = event.timeStamp;
    const first = this.#first && now - this.#first.at < SEQUENCE_MS ? this.#first.key : undefined;
    this.#first = undefined;
    const blocked = isTyping(event.target) || document.querySelector("[role=dialog]") !== null;
    for (const id of this.#active) {
      const binding = BINDINGS[id];
      if (blocked && !binding.always) continue;
      if (!this.singleKeys && !binding.keys.includes("mod+") && key !== "Escape") continue;
      const single = binding.keys === pressed && !activatesControl(event);
      if (single || (first && binding.keys === `${first} ${pressed}`)) {
        this.#run(id, event);
        return;
      }
    }
    const begins = this.#active.some((id) => BINDINGS[id].keys.startsWith(`${pressed} `));
    if (!blocked && begins) this.#first = { key: pressed, at: now };
  };

  #run(id: BindingId, event: KeyboardEvent): void {
    event.preventDefault();
    this.#handlers.get(id)?.at(-1)?.(event);
  }

  #changed(): void {
    const order = Object.keys(BINDINGS) as BindingId[];
    this.#active = order.filter((id) => this.#handlers.has(id));
    for (const listener of this.#listeners) listener();
  }
}
