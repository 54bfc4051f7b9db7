"use client";

import clsx from "clsx";
import { ChevronDown, ChevronRight, Copy, Link as LinkIcon, Search } from "lucide-react";
import { type KeyboardEvent, useCallback, useEffect, useRef, useState } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { type JsonDocument, openDocument } from "@/lib/json/document";
import { type JsonKind, type JsonRow, type JsonState, printPath } from "@/lib/json/tree";
import { Button } from "@/ui/button";
import { detailStrings } from "../detail-strings";

const ROW = 22;
const EXTRA = 20;
const MOST_ROWS = 20;

interface OpenDocument {
  readonly document: JsonDocument;
  readonly state: JsonState;
}

/** A JSON document as a tree with a search; large ones are read in a worker. */
export function JsonView({ text, label }: { text: string; label: string }) {
  const t = useStrings(detailStrings);
  const [open, setOpen] = useState<OpenDocument>();
  const [isBroken, setBroken] = useState(false);
  const [top, setTop] = useState(0);
  const [rows, setRows] = useState<readonly JsonRow[]>([]);
  const scroller = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const document = openDocument(text);
    let isCurrent = true;
    document
      .ask({ kind: "parse", text })
      .then(({ state }) => isCurrent && setOpen({ document, state }))
      .catch(() => isCurrent && setBroken(true));
    return () => {
      isCurrent = false;
      document.close();
    };
  }, [text]);

  const first = Math.max(0, Math.floor(top / ROW) - EXTRA);
  const last = first + MOST_ROWS + 2 * EXTRA;
  useEffect(() => {
    let isCurrent = true;
    void open?.document.ask({ kind: "read", first, last }).then(({ rows: read }) => {
      if (isCurrent && read) setRows(read);
    });
    return () => {
      isCurrent = false;
    };
  }, [open, first, last]);

  const toggle = useCallback(
    async (index: number) => {
      if (!open) return;
      const { state } = await open.document.ask({ kind: "toggle", index });
      setOpen({ ...open, state });
    },
    [open],
  );
  const show = useCallback((index: number, state: JsonState) => {
    setOpen((before) => before && { ...before, state });
    scroller.current?.scrollTo({ top: Math.max(0, index * ROW - 80) });
  }, []);

  if (isBroken) return <pre className="overflow-auto p-4 font-mono text-sm">{text}</pre>;
  const height = (open?.state.rowCount ?? 3) * ROW;
  return (
    <div>
      {open && open.state.rowCount > 8 ? <JsonSearch open={open} onShow={show} /> : null}
      <div
        ref={scroller}
        className="overflow-auto bg-sunken py-2 font-mono text-sm last:rounded-b-lg"
        style={{ maxHeight: MOST_ROWS * ROW }}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      >
        <div
          role="tree"
          aria-label={label}
          aria-busy={!open}
          className="relative min-w-max"
          style={{ height }}
        >
          <div style={{ transform: `translateY(${first * ROW}px)` }} role="presentation">
            {rows.map((row, offset) => (
              <TreeRow
                key={printPath(row.path)}
                row={row}
                index={first + offset}
                document={open?.document}
                onToggle={toggle}
              />
            ))}
          </div>
        </div>
      </div>
      {open ? null : <p className="sr-only">{t("jsonLoading")}</p>}
    </div>
  );
}

interface JsonSearchProps {
  readonly open: OpenDocument;
  readonly onShow: (index: number, state: JsonState) => void;
}

function JsonSearch({ open, onShow }: JsonSearchProps) {
  const t = useStrings(detailStrings);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const count = open.state.matchCount;
  async function search(wanted: string) {
    setText(wanted);
    setAt(0);
    const { state } = await open.document.ask({ kind: "search", text: wanted });
    if (state.matchCount > 0) await reveal(0);
    else onShow(0, state);
  }
  async function reveal(match: number) {
    setAt(match);
    const { state, index = 0 } = await open.document.ask({ kind: "reveal", match });
    onShow(index, state);
  }
  function handleKey(event: KeyboardEvent) {
    if (event.key !== "Enter" || count === 0) return;
    void reveal((at + (event.shiftKey ? count - 1 : 1)) % count);
  }
  return (
    <label className="flex h-9 items-center gap-2 border-line border-b px-4 text-fg-3">
      <Search aria-hidden className="size-3.5" />
      <input
        type="text"
        value={text}
        aria-label={t("searchJson")}
        placeholder={t("searchJson")}
        onChange={(event) => void search(event.target.value)}
        onKeyDown={handleKey}
        className="min-w-0 flex-1 bg-transparent text-fg text-sm outline-none placeholder:text-fg-3"
      />
      <span role="status" className="text-sm tabular-nums">
        {text === "" ? "" : count === 0 ? t("noMatches") : t("matches", { at: at + 1, count })}
      </span>
    </label>
  );
}

const COLOURS: Record<JsonKind, string> = {
  object: "text-fg-3",
  array: "text-fg-3",
  string: "text-ok",
  number: "text-run",
  boolean: "text-accent",
  null: "text-fg-3",
};

interface TreeRowProps {
  readonly row: JsonRow;
  readonly index: number;
  readonly document: JsonDocument | undefined;
  readonly onToggle: (index: number) => void;
}

function TreeRow({ row, index, document, onToggle }: TreeRowProps) {
  const t = useStrings(detailStrings);
  const isContainer = row.kind === "object" || row.kind === "array";
  const key = row.path.at(-1);
  const name = key === undefined ? "" : typeof key === "number" ? `${key}` : key;
  const [before, after] = row.kind === "array" ? ["[", "]"] : ["{", "}"];
  async function copyValue() {
    const answer = await document?.ask({ kind: "copy", index });
    if (answer?.text !== undefined) await navigator.clipboard.writeText(answer.text);
  }
  return (
    <div
      role="treeitem"
      aria-level={row.depth + 1}
      aria-expanded={isContainer ? row.isOpen : undefined}
      aria-selected={false}
      tabIndex={-1}
      className={clsx(
        "group flex h-[22px] items-center whitespace-pre pr-4 leading-[22px] hover:bg-raised",
        row.isMatch && "bg-need-tint",
      )}
      style={{ paddingLeft: 12 + row.depth * 16 }}
    >
      {isContainer && row.size > 0 ? (
        <button
          type="button"
          aria-label={`${name || "$"} ${t("items", { count: row.size })}`}
          aria-expanded={row.isOpen}
          onClick={() => onToggle(index)}
          className="grid size-5 place-items-center text-fg-3 hover:text-fg"
        >
          {row.isOpen ? (
            <ChevronDown aria-hidden className="size-3.5" />
          ) : (
            <ChevronRight aria-hidden className="size-3.5" />
          )}
        </button>
      ) : (
        <span className="w-5" />
      )}
      {name ? <span className="text-fg-2">{name}: </span> : null}
      <span className={COLOURS[row.kind]}>
        {isContainer
          ? row.isOpen
            ? before
            : `${before} ${row.size > 0 ? t("items", { count: row.size }) : ""} ${after}`
          : row.preview}
      </span>
      <span className="sticky right-1 ml-2 hidden gap-0.5 group-focus-within:flex group-hover:flex">
        <RowButton
          label={t("copyPath")}
          onClick={() => void navigator.clipboard.writeText(printPath(row.path))}
        >
          <LinkIcon aria-hidden />
        </RowButton>
        <RowButton label={t("copyValue")} onClick={() => void copyValue()}>
          <Copy aria-hidden />
        </RowButton>
      </span>
    </div>
  );
}

interface RowButtonProps {
  readonly label: string;
  readonly onClick: () => void;
  readonly children: React.ReactNode;
}

function RowButton({ label, onClick, children }: RowButtonProps) {
  return (
    <Button
      look="ghost"
      square
      aria-label={label}
      title={label}
      className="!h-5 !w-5 [&_svg]:!size-3"
      onClick={onClick}
    >
      {children}
    </Button>
  );
}
