"use client";

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useOwnData } from "@/lib/store/provider";
import type { JobRow } from "@/lib/store/rows";
import type { ViewState } from "@/lib/store/view";
import { listMemory } from "./list-memory";

export interface HeldRows {
  readonly ids: readonly string[];
  readonly getRow: (id: string) => JobRow | undefined;
  /** New rows that are not shown yet. */
  readonly newCount: number;
  readonly showNew: () => void;
  readonly isPaused: boolean;
  readonly heldChanges: number;
  readonly togglePause: () => void;
}

interface Frozen {
  readonly ids: readonly string[];
  readonly rows: ReadonlyMap<string, JobRow>;
}

/** Keep rows where they are: new ones wait until they are asked for, and a pause holds everything. */
export function useHeldRows(view: ViewState, searchText: string): HeldRows {
  const data = useOwnData();
  const [, redraw] = useState(0);
  const [frozen, setFrozen] = useState<Frozen>();
  const [heldChanges, setHeldChanges] = useState(0);

  const { ids } = view;
  const newestShown = listMemory.newest.get(searchText);
  const first = newestShown === undefined ? 0 : findFirstShown(ids, newestShown, data?.table);
  const isWaiting = first > 0 && ids.slice(0, first).some((id) => !isOwn(data?.table.get(id)));
  const newCount = isWaiting ? first : 0;
  const shown = useMemo(() => (newCount > 0 ? ids.slice(newCount) : ids), [ids, newCount]);

  const top = shown[0];
  useEffect(() => {
    if (top !== undefined) listMemory.newest.set(searchText, top);
  }, [top, searchText]);

  const showNew = useCallback(() => {
    listMemory.newest.delete(searchText);
    redraw((count) => count + 1);
  }, [searchText]);

  const latest = useRef(shown);
  latest.current = shown;
  const togglePause = useCallback(() => {
    setHeldChanges(0);
    setFrozen((before) => {
      if (before || !data) return undefined;
      const rows = new Map<string, JobRow>();
      for (const id of latest.current) {
        const row = data.table.get(id);
        if (row) rows.set(id, row);
      }
      return { ids: latest.current, rows };
    });
  }, [data]);

  const isPaused = frozen !== undefined;
  useEffect(() => {
    if (!isPaused || !data) return;
    return data.table.subscribe((change) => {
      const count = change === "all" ? data.table.size : change.size;
      setHeldChanges((before) => before + count);
    });
  }, [isPaused, data]);

  const getRow = useCallback(
    (id: string) => (frozen ? frozen.rows.get(id) : data?.table.get(id)),
    [frozen, data],
  );
  const idsShown = frozen?.ids ?? shown;
  return { ids: idsShown, getRow, newCount, showNew, isPaused, heldChanges, togglePause };
}

interface Comparable {
  compare(id: string, other: string): number;
  get(id: string): JobRow | undefined;
}

function findFirstShown(
  ids: readonly string[],
  newest: string,
  table: Comparable | undefined,
): number {
  if (!table?.get(newest)) return 0;
  const at = ids.findIndex((id) => id === newest || table.compare(id, newest) > 0);
  return at < 0 ? ids.length : at;
}

/** What the user has just submitted here is shown at once. */
function isOwn(row: JobRow | undefined): boolean {
  if (row?.optimistic) return true;
  return row?.source === "dashboard" && Date.now() - Date.parse(row.created_at) < 10_000;
}
