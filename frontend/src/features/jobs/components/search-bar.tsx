"use client";

import clsx from "clsx";
import { Search as SearchIcon, X } from "lucide-react";
import {
  type FormEvent,
  type KeyboardEvent,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
} from "react";
import { useStrings } from "@/lib/i18n/provider";
import { useKeys } from "@/lib/keyboard/use-keys";
import type { SearchError } from "@/lib/search/parse";
import { printTerm } from "@/lib/search/print";
import { Kbd } from "@/ui/kbd";
import { jobStrings } from "../strings";
import { type Search, tryParse } from "../use-search";

/** The search as chips, with a field for the next term. A term becomes a chip with a space or ↵. */
export function SearchBar({ search, count }: { search: Search; count: string }) {
  const t = useStrings(jobStrings);
  const input = useRef<HTMLInputElement>(null);
  const errorId = useId();
  const [draft, setDraft] = useState("");
  const terms = useMemo(() => search.query.map(printTerm), [search.query]);
  // A text that is not understood stays in the field, with its mistake shown.
  useEffect(() => {
    if (search.error) setDraft(search.text);
  }, [search.error, search.text]);
  const draftError = useMemo(() => tryParse(draft).error, [draft]);
  const shownError = draftError ?? search.error;
  useKeys({ search: () => input.current?.focus() });

  function commit(text: string): boolean {
    const { query, error } = tryParse(text);
    if (error) return false;
    search.set([...terms, ...query.map(printTerm)].join(" "));
    setDraft("");
    return true;
  }
  function remove(at: number) {
    search.set(terms.filter((_, index) => index !== at).join(" "));
    input.current?.focus();
  }
  function handleKey(event: KeyboardEvent<HTMLInputElement>) {
    if (event.key === "Backspace" && draft === "" && terms.length > 0) {
      event.preventDefault();
      setDraft(terms.at(-1) ?? "");
      search.set(terms.slice(0, -1).join(" "));
    } else if (event.key === "Escape") {
      setDraft("");
      input.current?.blur();
    } else if (event.key === " " && draft.includes(":") && commit(draft)) {
      event.preventDefault();
    }
  }
  function submit(event: FormEvent) {
    event.preventDefault();
    commit(draft);
  }

  return (
    // biome-ignore lint/a11y/useSemanticElements: the element search is not known to all readers yet
    <form role="search" onSubmit={submit} className="min-w-0 flex-1">
      <div
        className={clsx(
          "flex h-10 items-center gap-1.5 overflow-x-auto rounded-md border bg-surface pr-2 pl-2.5 [scrollbar-width:none] tablet:h-9",
          "focus-within:border-accent focus-within:ring-1 focus-within:ring-accent",
          shownError ? "border-bad" : "border-line-control",
        )}
      >
        <SearchIcon aria-hidden className="size-4 shrink-0 text-fg-3" />
        {terms.map((term, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a term may stand there twice
          <Chip key={`${at}-${term}`} term={term} onRemove={() => remove(at)} />
        ))}
        <input
          ref={input}
          type="text"
          value={draft}
          aria-label={t("searchLabel")}
          aria-invalid={shownError ? true : undefined}
          aria-describedby={shownError ? errorId : undefined}
          placeholder={terms.length === 0 ? t("searchHint") : ""}
          spellCheck={false}
          autoComplete="off"
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={handleKey}
          className="h-6 min-w-24 flex-1 bg-transparent font-mono text-sm outline-none placeholder:text-fg-3 focus-visible:shadow-none"
        />
        <span className="hidden whitespace-nowrap text-fg-3 text-sm tabular-nums tablet:inline">
          {count}
        </span>
        <Kbd className="max-tablet:hidden">/</Kbd>
      </div>
      {shownError ? (
        <SearchProblem id={errorId} error={shownError} text={draft || search.text} />
      ) : null}
    </form>
  );
}

function Chip({ term, onRemove }: { term: string; onRemove: () => void }) {
  const t = useStrings(jobStrings);
  const colon = term.indexOf(":") + 1;
  return (
    <span className="inline-flex h-7 shrink-0 items-center whitespace-nowrap rounded-sm bg-raised pl-[7px] font-mono text-sm tablet:h-6">
      <span className="text-fg-3">{term.slice(0, colon)}</span>
      {term.slice(colon)}
      <button
        type="button"
        aria-label={t("removeTerm", { term })}
        onClick={onRemove}
        className="grid size-7 place-items-center text-fg-3 hover:text-fg tablet:size-6"
      >
        <X aria-hidden className="size-3" />
      </button>
    </span>
  );
}

/** The text again, with the mistake marked, and what is possible there. */
function SearchProblem({ id, error, text }: { id: string; error: SearchError; text: string }) {
  const t = useStrings(jobStrings);
  const { start, end, given, allowed, code } = error;
  return (
    <p id={id} role="status" className="mt-1.5 text-bad text-sm">
      <code aria-hidden className="mr-2 font-mono text-fg-2">
        {text.slice(0, start)}
        <mark className="border-bad border-b-2 bg-transparent text-bad">
          {text.slice(start, end) || "…"}
        </mark>
        {text.slice(end)}
      </code>
      {t(`error_${code}`, { given })}.{" "}
      {allowed.length > 0 ? (
        <span className="text-fg-2">{t("allowed", { words: allowed.join(", ") })}</span>
      ) : null}
    </p>
  );
}
