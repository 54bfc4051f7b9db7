import type { Channel, Election } from "./own-data";

/** A channel between the tabs of one user; undefined where the browser has none. */
export function openTabChannel(name: string): Channel | undefined {
  if (typeof BroadcastChannel === "undefined" || !navigator.locks) return undefined;
  const channel = new BroadcastChannel(name);
  return {
    post: (message) => channel.postMessage(message),
    listen: (listener) => {
      channel.onmessage = (event) => listener(event.data);
    },
    close: () => channel.close(),
  };
}

/** One leader a browser: the tab that holds the lock; the next one gets it when that tab ends. */
export function electByLock(name: string): Election {
  return (lead) => {
    if (!navigator.locks) {
      lead();
      return () => undefined;
    }
    const waiting = new AbortController();
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const holdLock = (): Promise<void> => {
      lead();
      return held;
    };
    navigator.locks.request(name, { signal: waiting.signal }, holdLock).catch(() => undefined);
    return () => {
      release();
      waiting.abort();
    };
  };
}
