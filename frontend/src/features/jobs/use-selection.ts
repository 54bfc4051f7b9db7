"use client";

import { useCallback, useState } from "react";
import { listMemory } from "./list-memory";

export interface ListSelection {
  readonly cursor: string | undefined;
  readonly selection: ReadonlySet<string>;
  readonly move: (step: number) => void;
  readonly place: (id: string) => void;
  readonly toggle: (id: string, isRange: boolean) => void;
  readonly toggleAll: () => void;
  readonly clear: () => void;
}

/** The row under the cursor and the selected rows; both survive a visit to another page. */
export function useListSelection(ids: readonly string[]): ListSelection {
  const [cursor, setCursor] = useState(listMemory.cursor);
  const [selection, setSelection] = useState(listMemory.selection);

  const place = useCallback((id: string | undefined) => {
    listMemory.cursor = id;
    setCursor(id);
  }, []);
  const choose = useCallback((next: ReadonlySet<string>) => {
    listMemory.selection = next;
    setSelection(next);
  }, []);
  const move = useCallback(
    (step: number) => {
      const at = listMemory.cursor === undefined ? -1 : ids.indexOf(listMemory.cursor);
      const next = at < 0 ? 0 : Math.min(ids.length - 1, Math.max(0, at + step));
      place(ids[next]);
    },
    [ids, place],
  );
  const toggle = useCallback(
    (id: string, isRange: boolean) => {
      const next = new Set(listMemory.selection);
      const isAdded = !next.has(id);
      const from = isRange && listMemory.cursor ? ids.indexOf(listMemory.cursor) : -1;
      const to = ids.indexOf(id);
      const range = from < 0 ? [id] : ids.slice(Math.min(from, to), Math.max(from, to) + 1);
      for (const each of range) {
        if (isAdded) next.add(each);
        else next.delete(each);
      }
      choose(next);
      place(id);
    },
    [ids, choose, place],
  );
  const clear = useCallback(() => choose(new Set()), [choose]);
  const toggleAll = useCallback(() => {
    choose(listMemory.selection.size >= ids.length ? new Set() : new Set(ids));
  }, [ids, choose]);
  return { cursor, selection, move, place, toggle, toggleAll, clear };
}
