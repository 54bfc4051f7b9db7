"use client";

import clsx from "clsx";
import { Download, File as FileIcon } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { Markdown } from "@/lib/markdown";
import type { JobRow } from "@/lib/store/rows";
import { Button } from "@/ui/button";
import { Card } from "@/ui/card";
import { CopyButton } from "@/ui/copy-button";
import { ErrorState } from "@/ui/error-state";
import { Bone } from "@/ui/skeleton";
import { detailStrings } from "../detail-strings";
import { getFileAddress, type JobFile, useJobFiles, useJobResult } from "../queries";
import { findParts, type ResultPart, toCell } from "../result-parts";
import { JsonView } from "./json-view";

/** What came out, in every way in which it can be seen. */
export function ResultCard({ row }: { row: JobRow }) {
  const t = useStrings(detailStrings);
  const result = useJobResult(row);
  const { data: files = [] } = useJobFiles(row);
  const large = useLargeResult(row, result.data?.result_ref ?? undefined);
  const text = useMemo(() => {
    const inline = result.data?.result;
    return inline ? JSON.stringify(inline) : large;
  }, [result.data, large]);
  const parts = useMemo(() => (text ? findParts(JSON.parse(text)) : []), [text]);
  const tabs = [
    ...parts.map((part) => part.kind),
    ...(files.length > 0 ? ["files" as const] : []),
    ...(text ? ["json" as const] : []),
  ];
  const [wanted, setWanted] = useState<string>();
  const tab = tabs.find((each) => each === wanted) ?? tabs[0];
  const part = parts.find((each) => each.kind === tab);

  if (row.status === "COMPLETED" && result.error && !result.data) {
    return <ErrorState error={result.error} onRetry={() => void result.reload()} />;
  }
  return (
    <Card>
      <header className="flex min-h-11 items-center gap-4 border-line border-b pr-2 pl-4">
        {tabs.length === 0 ? <h2>{t("result")}</h2> : null}
        <div role="tablist" aria-label={t("result")} className="flex gap-4 self-stretch">
          {tabs.map((each) => (
            <button
              key={each}
              type="button"
              role="tab"
              aria-selected={each === tab}
              onClick={() => setWanted(each)}
              className="border-transparent border-y-2 font-medium text-fg-3 hover:text-fg aria-selected:border-b-accent aria-selected:text-fg"
            >
              {t(`tab_${each}`, { count: files.length })}
            </button>
          ))}
        </div>
        <span className="ml-auto flex">
          {text && tab !== "files" ? (
            <CopyButton text={part && "text" in part ? part.text : text} />
          ) : null}
        </span>
      </header>
      <div role="tabpanel" aria-label={t("result")}>
        {tab === "files" ? (
          <Files jobId={row.id} files={files} />
        ) : tab === "json" && text ? (
          <JsonView text={text} label={t("result")} />
        ) : part ? (
          <Part part={part} />
        ) : (
          <NoResult row={row} isLoading={result.loading} />
        )}
      </div>
    </Card>
  );
}

/** A result of more than 64 KiB is a file. */
function useLargeResult(row: JobRow, name: string | undefined): string | undefined {
  const [text, setText] = useState<string>();
  useEffect(() => {
    if (!name) return;
    const reading = new AbortController();
    fetch(getFileAddress(row.id, name), { signal: reading.signal })
      .then((response) => (response.ok ? response.text() : undefined))
      .then(setText)
      .catch(() => undefined);
    return () => reading.abort();
  }, [row.id, name]);
  return text;
}

function NoResult({ row, isLoading }: { row: JobRow; isLoading: boolean }) {
  const t = useStrings(detailStrings);
  if (row.status === "COMPLETED" && isLoading) {
    return (
      <div role="status" aria-label={t("result")} className="grid gap-3 p-4">
        <Bone className="w-3/5" />
        <Bone className="w-4/5" />
        <Bone className="w-2/5" />
      </div>
    );
  }
  const reason =
    row.status === "FAILED"
      ? "noResultFailed"
      : row.status === "CANCELLED"
        ? "noResultCancelled"
        : "noResultYet";
  return <p className="p-4 text-fg-2">{t(reason)}</p>;
}

function Part({ part }: { part: ResultPart }) {
  if (part.kind === "table") return <TablePart part={part} />;
  return (
    <section tabIndex={0} aria-label={part.kind} className="max-h-[440px] overflow-auto p-4">
      {part.kind === "markdown" ? (
        <Markdown text={part.text} />
      ) : (
        <p className="prose whitespace-pre-wrap">{part.text}</p>
      )}
    </section>
  );
}

const MOST_ROWS = 200;

function TablePart({ part }: { part: Extract<ResultPart, { kind: "table" }> }) {
  const t = useStrings(detailStrings);
  const shown = part.rows.slice(0, MOST_ROWS);
  return (
    <section tabIndex={0} aria-label={t("tab_table")} className="max-h-[440px] overflow-auto">
      <table className="w-full text-sm tabular-nums">
        <thead className="sticky top-0 bg-surface text-fg-3 text-xs">
          <tr>
            {part.columns.map((column) => (
              <th key={column} scope="col" className="px-2 py-1.5 text-left font-medium first:pl-4">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the rows of a result never move
            <tr key={index} className="border-line border-t">
              {part.columns.map((column) => (
                <td key={column} className="max-w-60 truncate px-2 py-1.5 first:pl-4">
                  {toCell(row[column])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length < part.rows.length ? (
        <p className="px-4 py-2 text-fg-3 text-sm">
          {t("rowsShown", { shown: shown.length, count: part.rows.length })}
        </p>
      ) : null}
    </section>
  );
}

function Files({ jobId, files }: { jobId: string; files: readonly JobFile[] }) {
  const t = useStrings(detailStrings);
  return (
    <ul className="divide-y divide-line">
      {files.map((file) => {
        const address = getFileAddress(jobId, file.name);
        const isImage = /^image\/(png|jpeg|webp)$/.test(file.content_type);
        return (
          <li key={file.name} className="grid gap-2 px-4 py-3">
            <span className="flex items-center gap-2 text-sm">
              <FileIcon aria-hidden className="size-4 shrink-0 text-fg-3" />
              <span className="truncate">{file.name}</span>
              <span className="ml-auto whitespace-nowrap text-fg-3">{formatSize(file.size)}</span>
              <Button asChild look="ghost" size="small" square>
                <a href={address} download={file.name} aria-label={`${t("download")} ${file.name}`}>
                  <Download aria-hidden />
                </a>
              </Button>
            </span>
            {isImage ? (
              <a href={address} target="_blank" rel="noreferrer">
                {/* biome-ignore lint/performance/noImgElement: a private file is not optimised by a server */}
                <img
                  src={address}
                  alt={file.name}
                  loading="lazy"
                  className={clsx("max-h-80 w-full rounded-md border border-line object-contain")}
                />
              </a>
            ) : null}
          </li>
        );
      })}
    </ul>
  );
}

function formatSize(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  const kilobytes = bytes / 1_024;
  return kilobytes < 1_024 ? `${Math.round(kilobytes)} KB` : `${(kilobytes / 1_024).toFixed(1)} MB`;
}
