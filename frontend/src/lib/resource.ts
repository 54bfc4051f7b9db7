"use client";

import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";

/**
 * What a page reads once and shows again at once when it comes back: keys, usage, topics. Jobs live
 * in their own store. The cache belongs to one user and dies with the page; sign-out reloads it.
 */

type Entry = { data?: unknown; error?: unknown; updatedAt?: number };

const entries = new Map<string, Entry>();
const listeners = new Map<string, Set<() => void>>();
const NOTHING: Entry = {};

function write(key: string, entry: Entry): void {
  entries.set(key, entry);
  for (const listener of listeners.get(key) ?? []) listener();
}

export function clearResources(): void {
  entries.clear();
}

export type Resource<Data> = {
  data: Data | undefined;
  error: unknown;
  loading: boolean;
  updatedAt: number | undefined;
  reload: () => Promise<void>;
};

export function useResource<Data>(
  key: string,
  load: (signal: AbortSignal) => Promise<Data>,
  { everyMs }: { everyMs?: number } = {},
): Resource<Data> {
  const latest = useRef(load);
  latest.current = load;
  const running = useRef<AbortController>(undefined);
  const [loading, setLoading] = useState(true);

  const subscribe = useCallback(
    (listener: () => void) => {
      const set = listeners.get(key) ?? new Set();
      listeners.set(key, set.add(listener));
      return () => void set.delete(listener);
    },
    [key],
  );
  const entry = useSyncExternalStore(
    subscribe,
    () => entries.get(key) ?? NOTHING,
    () => NOTHING,
  );

  const reload = useCallback(async () => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    setLoading(true);
    try {
      const data = await latest.current(controller.signal);
      if (!controller.signal.aborted) write(key, { data, updatedAt: Date.now() });
    } catch (error) {
      // The last data stays: an old answer with a notice is better than none.
      if (!controller.signal.aborted) write(key, { ...entries.get(key), error });
    } finally {
      if (running.current === controller) setLoading(false);
    }
  }, [key]);

  useEffect(() => {
    void reload();
    const timer = everyMs
      ? setInterval(() => {
          if (document.visibilityState === "visible") void reload();
        }, everyMs)
      : undefined;
    return () => {
      clearInterval(timer);
      running.current?.abort();
    };
  }, [reload, everyMs]);

  return {
    data: entry.data as Data | undefined,
    error: entry.error,
    loading,
    updatedAt: entry.updatedAt,
    reload,
  };
}
