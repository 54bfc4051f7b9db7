"use client";

import { useCallback, useSyncExternalStore } from "react";

export const COLUMNS = [
  "status",
  "id",
  "type",
  "target",
  "detail",
  "took",
  "tries",
  "cost",
  "source",
  "priority",
  "age",
] as const;
export type Column = (typeof COLUMNS)[number];

/** These say what a row is, so they always stay. */
export const FIXED: ReadonlySet<Column> = new Set(["status", "type", "age"]);
const HIDDEN_AT_FIRST: readonly Column[] = ["source", "priority"];

export const WIDTHS: Readonly<Record<Column, string>> = {
  status: "112px",
  id: "92px",
  type: "minmax(196px, 1.1fr)",
  target: "minmax(140px, 1.3fr)",
  detail: "minmax(120px, 1.3fr)",
  took: "84px",
  tries: "58px",
  cost: "72px",
  source: "84px",
  priority: "64px",
  age: "56px",
};

export const NUMERIC: ReadonlySet<Column> = new Set(["took", "tries", "cost", "priority", "age"]);

const STORED = "jobs-hidden-columns";
const listeners = new Set<() => void>();
let hidden: readonly Column[] | undefined;

function readHidden(): readonly Column[] {
  if (hidden) return hidden;
  hidden = HIDDEN_AT_FIRST;
  try {
    const stored = localStorage.getItem(STORED);
    if (stored !== null) hidden = COLUMNS.filter((column) => stored.split(",").includes(column));
  } catch {
    // Without storage the choice holds until the page is closed.
  }
  return hidden;
}

/** Which columns the list shows, remembered by this browser. */
export function useColumns(): {
  shown: readonly Column[];
  isShown: (column: Column) => boolean;
  toggle: (column: Column) => void;
} {
  const hiddenNow = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    readHidden,
    () => HIDDEN_AT_FIRST,
  );
  const isShown = useCallback((column: Column) => !hiddenNow.includes(column), [hiddenNow]);
  const toggle = useCallback((column: Column) => {
    const before = readHidden();
    hidden = before.includes(column)
      ? before.filter((each) => each !== column)
      : [...before, column];
    try {
      localStorage.setItem(STORED, hidden.join(","));
    } catch {
      // It holds until the page is closed.
    }
    for (const listener of listeners) listener();
  }, []);
  return { shown: COLUMNS.filter(isShown), isShown, toggle };
}
