"use client";

import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from "react";
import { onSignOut } from "../auth/sign-out";
import { electByLock, openTabChannel } from "./browser-tabs";
import { gatewaySource } from "./job-source";
import { OwnData, type OwnDataState } from "./own-data";
import { IndexedDbPersistence } from "./persistence";
import type { JobRow } from "./rows";
import type { JobSource } from "./source";
import { JobView, type ViewFilter, type ViewState } from "./view";

/** Changes whenever rows that were stored before can no longer be read. */
const STAMP = "1";

const Context = createContext<OwnData | undefined>(undefined);

let current: { readonly userId: string; readonly data: OwnData } | undefined;

/** The data of the user lives as long as the page, whatever is shown. */
function getOwnData(userId: string, source: JobSource): OwnData {
  if (current?.userId === userId) return current.data;
  current?.data.stop();
  const name = `own-data:${STAMP}:${userId}`;
  const data = new OwnData({
    source,
    persistence: new IndexedDbPersistence(userId, STAMP),
    channel: openTabChannel(name),
    elect: electByLock(name),
    tabId: crypto.randomUUID(),
    isVisible: () => document.visibilityState === "visible",
  });
  current = { userId, data };
  void data.start();
  return data;
}

/** Delete what this browser has stored: the user signs out. */
async function wipeOwnData(): Promise<void> {
  const data = current?.data;
  current = undefined;
  await data?.wipe();
}

export function OwnDataProvider({
  userId,
  source = gatewaySource,
  children,
}: {
  userId: string;
  source?: JobSource;
  children: ReactNode;
}) {
  const [data, setData] = useState<OwnData>();
  useEffect(() => {
    const own = getOwnData(userId, source);
    setData(own);
    const reconnect = () => own.reconnect();
    window.addEventListener("online", reconnect);
    const forget = onSignOut(wipeOwnData);
    return () => {
      window.removeEventListener("online", reconnect);
      forget();
    };
  }, [userId, source]);
  return <Context.Provider value={data}>{children}</Context.Provider>;
}

/** For tests, and for what already has the data. */
export function GivenOwnData({ data, children }: { data: OwnData; children: ReactNode }) {
  return <Context.Provider value={data}>{children}</Context.Provider>;
}

/** Undefined on the server, and until the page has started. */
export function useOwnData(): OwnData | undefined {
  return useContext(Context);
}

const NOTHING: OwnDataState = {
  phase: "empty",
  link: { kind: "connecting" },
  isReading: true,
  error: undefined,
  lostSince: undefined,
  asOf: 0,
  isLeader: false,
  hasOlder: false,
};
const unchanging = () => () => undefined;
const getNothing = () => NOTHING;

export function useOwnDataState(): OwnDataState {
  const data = useOwnData();
  return useSyncExternalStore(
    data?.subscribe ?? unchanging,
    data?.getState ?? getNothing,
    getNothing,
  );
}

/** Call a listener at most once a frame: many events may arrive within one. */
function oncePerFrame(subscribe: (listener: () => void) => () => void) {
  return (listener: () => void): (() => void) => {
    let frame: number | undefined;
    const leave = subscribe(() => {
      frame ??= requestAnimationFrame(() => {
        frame = undefined;
        listener();
      });
    });
    return () => {
      leave();
      if (frame !== undefined) cancelAnimationFrame(frame);
    };
  };
}

const EMPTY: ViewState = {
  ids: [],
  counts: { all: 0, PENDING: 0, RUNNING: 0, COMPLETED: 0, FAILED: 0, CANCELLED: 0 },
};
const getEmpty = () => EMPTY;
const REFRESH_MS = 5_000;

/** The jobs that match a filter; the filter must be the same object between renders. */
export function useJobView(filter: ViewFilter): ViewState {
  const data = useOwnData();
  const view = useMemo(() => data && new JobView(data.table, filter), [data, filter]);
  useEffect(() => {
    if (!view || !filter.changesWithTime) return;
    const timer = setInterval(() => view.refresh(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [view, filter]);
  const subscribe = useMemo(() => {
    if (!view) return unchanging;
    return oncePerFrame((listener) => {
      const stop = view.start();
      const leave = view.subscribe(listener);
      return () => {
        leave();
        stop();
      };
    });
  }, [view]);
  return useSyncExternalStore(subscribe, view?.getState ?? getEmpty, getEmpty);
}

/** Whether there is no job at all; false until that is known. */
export function useHasNoJobs(): boolean {
  const data = useOwnData();
  const { phase } = useOwnDataState();
  const size = useSyncExternalStore(
    data?.table.subscribe ?? unchanging,
    () => data?.table.size ?? 0,
    () => 0,
  );
  return phase === "ready" && size === 0;
}

/** One job of the table. */
export function useJobRow(id: string): JobRow | undefined {
  const data = useOwnData();
  const subscribe = useCallback(
    (listener: () => void) => {
      if (!data) return () => undefined;
      return data.table.subscribe((change) => {
        if (change === "all" || change.has(id)) listener();
      });
    },
    [data, id],
  );
  return useSyncExternalStore(
    subscribe,
    () => data?.table.get(id),
    () => undefined,
  );
}
