"use client";

import { useSyncExternalStore } from "react";

/** One clock for all timers of the page; it stands still while the page is hidden. */
class Clock {
  private readonly listeners = new Set<() => void>();
  private timer: ReturnType<typeof setInterval> | undefined;
  private now = 0;

  constructor(private readonly everyMs: number) {}

  read = (): number => {
    if (this.now === 0) this.now = Date.now();
    return this.now;
  };

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    this.timer ??= setInterval(() => this.tick(), this.everyMs);
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size > 0) return;
      clearInterval(this.timer);
      this.timer = undefined;
    };
  };

  private tick(): void {
    if (document.visibilityState === "hidden") return;
    this.now = Date.now();
    for (const listener of this.listeners) listener();
  }
}

const seconds = new Clock(1_000);
const tenths = new Clock(100);

/** The time, once a second: for ages and countdowns. */
export function useNow(): number {
  return useSyncExternalStore(seconds.subscribe, seconds.read, () => 0);
}

/** The time, ten times a second: for what is running. */
export function useFastNow(): number {
  return useSyncExternalStore(tenths.subscribe, tenths.read, () => 0);
}
