"use client";

import clsx from "clsx";
import { Search } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { type KeyboardEvent, useId, useMemo, useState } from "react";
import { type Command, useCommandSources } from "@/lib/commands/registry";
import { useStrings } from "@/lib/i18n/provider";
import { shellStrings } from "@/lib/i18n/strings/shell";
import { KeyNames } from "./key-hints";

const LIMIT = 8;

/** The groups in the order in which they were first found, and the commands in the same order. */
export function groupCommands(found: readonly Command[]) {
  const groups = new Map<string, Command[]>();
  for (const command of found) {
    const group = groups.get(command.group) ?? [];
    group.push(command);
    groups.set(command.group, group);
  }
  return { groups: [...groups], flat: [...groups.values()].flat() };
}

function Menu({ onClose }: { onClose: () => void }) {
  const t = useStrings(shellStrings);
  const sources = useCommandSources();
  const listId = useId();
  const [query, setQuery] = useState("");
  const [cursor, setCursor] = useState(0);
  const { groups, flat } = useMemo(
    () => groupCommands(sources.flatMap((source) => source(query.trim(), LIMIT))),
    [sources, query],
  );
  const current = flat[Math.min(cursor, flat.length - 1)];
  const optionId = (command: Command) => `${listId}-${command.id}`;

  function run(command: Command | undefined) {
    if (!command) return;
    onClose();
    command.run();
  }

  function onKeyDown(event: KeyboardEvent) {
    const last = flat.length - 1;
    const moves: Record<string, number> = {
      ArrowDown: cursor >= last ? 0 : cursor + 1,
      ArrowUp: cursor <= 0 ? last : cursor - 1,
      Home: 0,
      End: last,
    };
    const next = moves[event.key];
    if (next !== undefined) {
      event.preventDefault();
      setCursor(next);
      const target = flat[next];
      if (target) document.getElementById(optionId(target))?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(current);
    }
  }

  return (
    <>
      <div className="flex items-center gap-2 border-line border-b px-4">
        <Search aria-hidden className="size-4 shrink-0 text-fg-3" />
        <input
          // biome-ignore lint/a11y/noAutofocus: the dialog was opened to type here
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-controls={listId}
          aria-activedescendant={current ? optionId(current) : undefined}
          aria-label={t("commands")}
          placeholder={t("commandsHint")}
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
            setCursor(0);
          }}
          onKeyDown={onKeyDown}
          spellCheck={false}
          className="h-12 min-w-0 flex-1 bg-transparent text-md outline-none placeholder:text-fg-3"
        />
      </div>
      <div
        id={listId}
        role="listbox"
        aria-label={t("commands")}
        className="max-h-[min(400px,60dvh)] overflow-y-auto p-2"
      >
        {groups.map(([name, commands]) => (
          // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be a group of options
          <div key={name} role="group" aria-label={name} className="pb-1">
            <p aria-hidden className="px-2 py-1 text-fg-3 text-xs">
              {name}
            </p>
            {commands.map((command) => (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are handled by the field
              <div
                key={command.id}
                id={optionId(command)}
                role="option"
                tabIndex={-1}
                aria-selected={command === current}
                onClick={() => run(command)}
                onMouseMove={() => setCursor(flat.indexOf(command))}
                className={clsx(
                  "flex h-10 cursor-pointer items-center gap-2.5 rounded-md px-2 tablet:h-8 [&_svg]:size-4 [&_svg]:shrink-0 [&_svg]:text-fg-2",
                  command === current && "bg-accent-tint",
                )}
              >
                {command.icon}
                <span className="truncate">{command.title}</span>
                {command.detail ? (
                  <span className="truncate text-fg-2 text-sm">{command.detail}</span>
                ) : null}
                {command.binding ? (
                  <span className="ml-auto">
                    <KeyNames id={command.binding} />
                  </span>
                ) : null}
              </div>
            ))}
          </div>
        ))}
        {flat.length === 0 ? <p className="p-3 text-fg-2">{t("noCommand")}</p> : null}
      </div>
    </>
  );
}

/** Ctrl-K: goes to pages, runs actions, finds own data; answers from memory with every key. */
export function CommandMenu({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  const t = useStrings(shellStrings);
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-sunken/70" />
        <Radix.Content
          aria-describedby={undefined}
          className="fixed inset-x-3 top-[max(12px,10vh)] z-50 mx-auto max-w-[600px] overflow-hidden rounded-xl border border-line-strong bg-float shadow-2"
        >
          <Radix.Title className="sr-only">{t("commands")}</Radix.Title>
          <Menu onClose={() => onOpenChange(false)} />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
