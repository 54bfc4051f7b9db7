"use client";

import { usePathname, useSearchParams } from "next/navigation";
import { useCallback, useMemo } from "react";
import type { Query } from "@/lib/search/ast";
import { compileSearch } from "@/lib/search/evaluate";
import { parseSearch, SearchError } from "@/lib/search/parse";
import { readSearch, writeSearch } from "@/lib/search/url";
import type { ViewFilter } from "@/lib/store/view";
import { useIsBillable } from "./catalogue";

export interface Search {
  readonly text: string;
  readonly query: Query;
  readonly error: SearchError | undefined;
  readonly filter: ViewFilter;
  readonly set: (text: string) => void;
}

const NO_TERMS: Query = [];

/** The search of the page; it lives in the address, so that a link and going back restore it. */
export function useSearch(): Search {
  const parameters = useSearchParams();
  const path = usePathname();
  const text = readSearch(parameters);
  const isBillable = useIsBillable();
  const { query, error } = useMemo(() => tryParse(text), [text]);
  const filter = useMemo(() => compileSearch(query, { isBillable }), [query, isBillable]);
  const set = useCallback(
    (next: string) => {
      const written = writeSearch(new URLSearchParams(window.location.search), next).toString();
      window.history.replaceState(null, "", written ? `${path}?${written}` : path);
    },
    [path],
  );
  return { text, query, error, filter, set };
}

export function tryParse(text: string): { query: Query; error: SearchError | undefined } {
  try {
    return { query: parseSearch(text), error: undefined };
  } catch (error) {
    if (error instanceof SearchError) return { query: NO_TERMS, error };
    throw error;
  }
}
