"use client";

import { type ReactNode, useEffect, useRef, useSyncExternalStore } from "react";
import type { BindingId } from "@/lib/keyboard/bindings";

/** What the command menu offers: actions that pages register, and sources that search own data. */

export type Command = {
  id: string;
  title: string;
  /** Stands beneath others of the same group. */
  group: string;
  detail?: string;
  icon?: ReactNode;
  binding?: BindingId;
  run: () => void;
};

/** Answers from memory, at once; the menu shows at most `limit` of them. */
export type CommandSource = (query: string, limit: number) => readonly Command[];

const sources = new Set<CommandSource>();
const listeners = new Set<() => void>();
let snapshot: readonly CommandSource[] = [];
const NONE: readonly CommandSource[] = [];

function changed(): void {
  snapshot = [...sources];
  for (const listener of listeners) listener();
}

export function useCommandSource(source: CommandSource): void {
  const latest = useRef(source);
  useEffect(() => {
    latest.current = source;
  });
  useEffect(() => {
    const stable: CommandSource = (query, limit) => latest.current(query, limit);
    sources.add(stable);
    changed();
    return () => {
      sources.delete(stable);
      changed();
    };
  }, []);
}

/** Every word of the query has to begin a word of the text. */
export function matches(text: string, query: string): boolean {
  const words = text.toLowerCase().split(/[\s/_.-]+/);
  const wishes = query.toLowerCase().split(/\s+/).filter(Boolean);
  return wishes.every((wish) => words.some((word) => word.startsWith(wish)));
}

export function useCommands(commands: readonly Command[]): void {
  useCommandSource((query, limit) =>
    commands.filter((each) => matches(`${each.title} ${each.detail ?? ""}`, query)).slice(0, limit),
  );
}

export function useCommandSources(): readonly CommandSource[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    () => snapshot,
    () => NONE,
  );
}
