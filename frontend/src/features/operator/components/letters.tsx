"use client";

import { CircleCheck, RotateCcw } from "lucide-react";
import { useState } from "react";
import { formatAge, formatMoment } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { operatorStrings } from "@/lib/i18n/strings/operator";
import { useAction } from "@/lib/use-action";
import { useNow } from "@/lib/use-now";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/confirm";
import { ErrorState } from "@/ui/error-state";
import { Checkbox, Field, Input } from "@/ui/field";
import { ShortId } from "@/ui/id";
import { InlineError } from "@/ui/inline-error";
import { Segmented } from "@/ui/segmented";
import { TableSkeleton } from "@/ui/skeleton";
import { StatePanel } from "@/ui/states";
import { Table, Td, Th, Tr } from "@/ui/table";
import { useToast } from "@/ui/toast";
import {
  type Letter,
  type LetterState,
  readLetters,
  replayLetters,
  resolveLetters,
  useLetters,
} from "../queries";
import { LetterDetail } from "./letter-detail";

function LettersTable({
  letters,
  selected,
  onSelect,
  onOpen,
}: {
  letters: readonly Letter[];
  selected: ReadonlySet<string>;
  onSelect: (ids: ReadonlySet<string>) => void;
  onOpen: (letter: Letter) => void;
}) {
  const t = useStrings(operatorStrings);
  const locale = useLocale();
  const now = useNow(30_000);
  const all = letters.every((each) => selected.has(each.id));
  function toggle(id: string, on: boolean) {
    const next = new Set(selected);
    if (on) next.add(id);
    else next.delete(id);
    onSelect(next);
  }
  return (
    <Table label={t("deadLetters")}>
      <thead>
        <tr>
          <Th className="w-8">
            <Checkbox
              aria-label={t("selectAll")}
              checked={all}
              onChange={() => onSelect(new Set(all ? [] : letters.map((each) => each.id)))}
            />
          </Th>
          <Th>{t("class")}</Th>
          <Th>{t("topic")}</Th>
          <Th>{t("name")}</Th>
          <Th>{t("error")}</Th>
          <Th>{t("correlation")}</Th>
          <Th right>{t("replays")}</Th>
          <Th right>{t("died")}</Th>
        </tr>
      </thead>
      <tbody>
        {letters.map((each) => (
          <Tr key={each.id} className={selected.has(each.id) ? "bg-accent-tint" : undefined}>
            <Td>
              <Checkbox
                aria-label={t("select", { name: each.id.slice(-8) })}
                checked={selected.has(each.id)}
                onChange={(event) => toggle(each.id, event.target.checked)}
              />
            </Td>
            <Td>
              <Badge tone={each.class === "poison" ? "bad" : "neutral"}>{each.class}</Badge>
            </Td>
            <Td className="font-mono text-fg-2 text-sm">{each.topic}</Td>
            <Td>
              <button
                type="button"
                className="font-mono text-accent text-sm hover:underline"
                onClick={() => onOpen(each)}
              >
                {each.name}
              </button>
            </Td>
            <Td className="max-w-[340px] truncate text-fg-2" title={each.error}>
              {each.error}
            </Td>
            <Td>{each.correlation_id ? <ShortId id={each.correlation_id} bare /> : "–"}</Td>
            <Td right className="text-fg-2">
              {each.replay_count}
            </Td>
            <Td right className="text-fg-2" title={formatMoment(locale, each.died_at)}>
              {formatAge(now, each.died_at)}
            </Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}

function ResolveDialog({
  ids,
  onClose,
  onDone,
}: {
  ids: readonly string[] | null;
  onClose: () => void;
  onDone: () => void;
}) {
  const t = useStrings(operatorStrings);
  const [reason, setReason] = useState("");
  return (
    <Confirm
      open={ids !== null}
      onClose={onClose}
      danger={false}
      title={t("resolveTitle", { count: ids?.length ?? 0 })}
      about={t("resolveAbout")}
      action={t("resolve")}
      run={async () => {
        await resolveLetters([...(ids ?? [])], reason);
        onDone();
      }}
    >
      <Field label={t("reason")}>
        {(ids) => (
          <Input
            {...ids}
            required
            maxLength={200}
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
        )}
      </Field>
    </Confirm>
  );
}

export function Letters() {
  const t = useStrings(operatorStrings);
  const tCommon = useStrings(commonStrings);
  const toast = useToast();
  const [state, setState] = useState<LetterState>("open");
  const { data, error, reload } = useLetters(state);
  const [more, setMore] = useState<{ items: Letter[]; cursor: string | null } | null>(null);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [resolving, setResolving] = useState<readonly string[] | null>(null);
  const [shown, setShown] = useState<Letter | null>(null);
  const letters = [...(data?.items ?? []), ...(more?.items ?? [])];
  const cursor = more ? more.cursor : (data?.next_cursor ?? null);

  async function refresh() {
    setSelected(new Set());
    setMore(null);
    await reload();
  }
  const replay = useAction(async () => {
    const { items } = await replayLetters([...selected].slice(0, 100));
    const count = (outcome: string) => items.filter((each) => each.outcome === outcome).length;
    toast({
      title: t("replayed", {
        count: count("replayed"),
        waiting: count("waiting"),
        refused: items.filter((each) => !each.ok).length,
      }),
    });
    await refresh();
  });
  const loadMore = useAction(async () => {
    const page = await readLetters(state, cursor);
    setMore({ items: [...(more?.items ?? []), ...page.items], cursor: page.next_cursor });
  });

  return (
    <>
      <div className="flex flex-wrap items-center gap-2">
        <Segmented<LetterState>
          label={t("state")}
          value={state}
          onChange={(next) => {
            setState(next);
            setMore(null);
            setSelected(new Set());
          }}
          options={[
            { value: "open", label: t("stateOpen") },
            { value: "replayed", label: t("stateReplayed") },
            { value: "resolved", label: t("stateResolved") },
          ]}
        />
        {selected.size > 0 ? (
          <>
            <span className="ml-auto font-medium">{t("selected", { count: selected.size })}</span>
            <Button busy={replay.busy} onClick={() => void replay.act()}>
              <RotateCcw aria-hidden />
              {t("replay")}
            </Button>
            <Button onClick={() => setResolving([...selected].slice(0, 100))}>
              {t("resolve")}
            </Button>
          </>
        ) : null}
      </div>
      <InlineError error={replay.error ?? loadMore.error} />
      {data ? null : error ? (
        <ErrorState error={error} onRetry={() => void reload()} />
      ) : (
        <TableSkeleton label={tCommon("loading")} />
      )}
      {data && letters.length === 0 ? (
        <StatePanel icon={CircleCheck} title={t(state === "open" ? "emptyOpen" : "emptyOther")}>
          {state === "open" ? <p>{t("emptyOpenAbout")}</p> : null}
        </StatePanel>
      ) : null}
      {letters.length > 0 ? (
        <LettersTable
          letters={letters}
          selected={selected}
          onSelect={setSelected}
          onOpen={setShown}
        />
      ) : null}
      {cursor ? (
        <Button busy={loadMore.busy} onClick={() => void loadMore.act()} className="self-center">
          {t("more")}
        </Button>
      ) : null}
      <ResolveDialog
        ids={resolving}
        onClose={() => setResolving(null)}
        onDone={() => {
          toast({ title: t("resolved", { count: resolving?.length ?? 0 }) });
          void refresh();
        }}
      />
      <LetterDetail letter={shown} onClose={() => setShown(null)} />
    </>
  );
}
