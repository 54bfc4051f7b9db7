"use client";

import { useEffect, useRef, useSyncExternalStore } from "react";
import type { BindingId } from "./bindings";
import { type Handler, KeyDispatcher } from "./dispatch";

const dispatcher = new KeyDispatcher();
const STORED = "single-keys";
const NONE: readonly BindingId[] = [];

/** Binds keys of the table while the component is shown. */
export function useKeys(handlers: Partial<Record<BindingId, Handler>>): void {
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  const ids = Object.keys(handlers).sort().join(" ");
  useEffect(() => {
    const removers = (ids.split(" ") as BindingId[])
      .filter(Boolean)
      .map((id) => dispatcher.register(id, (event) => latest.current[id]?.(event)));
    return () => {
      for (const remove of removers) remove();
    };
  }, [ids]);
}

/** The one listener of the page. */
export function useKeyboard(): void {
  useEffect(() => {
    try {
      dispatcher.singleKeys = localStorage.getItem(STORED) !== "off";
    } catch {
      // Without storage the keys stay on.
    }
    window.addEventListener("keydown", dispatcher.handle);
    return () => window.removeEventListener("keydown", dispatcher.handle);
  }, []);
}

export function useActiveKeys(): readonly BindingId[] {
  return useSyncExternalStore(dispatcher.subscribe, dispatcher.active, () => NONE);
}

export function singleKeysAreOn(): boolean {
  return dispatcher.singleKeys;
}

export function setSingleKeys(on: boolean): void {
  dispatcher.singleKeys = on;
  try {
    localStorage.setItem(STORED, on ? "on" : "off");
  } catch {
    // It holds until the page is closed.
  }
}

export function isMac(): boolean {
  return typeof navigator !== "undefined" && /mac|iphone|ipad/i.test(navigator.userAgent);
}
