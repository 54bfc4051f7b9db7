"use client";

import { useCallback, useRef, useState } from "react";
import { ApiError } from "./api/problems";

/** Runs a change once at a time, and keeps its refusal for the form to show. */
export function useAction<Arguments extends unknown[]>(
  run: (...given: Arguments) => Promise<void>,
) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const running = useRef(false);
  const latest = useRef(run);
  latest.current = run;
  const act = useCallback(async (...given: Arguments) => {
    if (running.current) return;
    running.current = true;
    setBusy(true);
    setError(null);
    try {
      await latest.current(...given);
    } catch (caught) {
      setError(caught);
    } finally {
      running.current = false;
      setBusy(false);
    }
  }, []);
  const clear = useCallback(() => setError(null), []);
  const fields = error instanceof ApiError ? error.fieldErrors : new Map<string, string>();
  return { act, busy, error, fields, clear };
}
