"use client";

import { CircleCheck, TriangleAlert } from "lucide-react";
import { formatDuration, formatMoment, formatNumber, formatPercent } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { operatorStrings } from "@/lib/i18n/strings/operator";
import { Badge, type Tone } from "@/ui/badge";
import { Card, CardHead } from "@/ui/card";
import { ErrorState } from "@/ui/error-state";
import { TableSkeleton } from "@/ui/skeleton";
import { AnswerStrip } from "@/ui/strip";
import { Table, Td, Th, Tr } from "@/ui/table";
import { type Circuits, type TopicState, useHealth } from "../queries";

const CIRCUIT_TONES: Record<Circuits["circuits"][number]["state"], Tone> = {
  closed: "ok",
  half_open: "need",
  open: "bad",
};

function HealthAnswers({
  topics,
  circuits,
}: {
  topics: readonly TopicState[];
  circuits: Circuits;
}) {
  const t = useStrings(operatorStrings);
  const locale = useLocale();
  const waiting = topics.reduce((sum, each) => sum + each.lag, 0);
  const dead = topics.reduce((sum, each) => sum + each.dead + each.poison, 0);
  const oldest = Math.max(0, ...topics.map((each) => each.oldest_pending_seconds));
  const open = circuits.circuits.filter((each) => each.state !== "closed").length;
  const fine = (text: string) => (
    <span className="flex items-center gap-1.5 font-medium text-fg-2">
      <CircleCheck aria-hidden className="size-4 text-ok" />
      {text}
    </span>
  );
  const alarm = (text: string) => (
    <span className="flex items-center gap-1.5">
      <TriangleAlert aria-hidden className="size-4 text-need" />
      {text}
    </span>
  );
  return (
    <AnswerStrip
      label={t("answers")}
      answers={[
        {
          label: t("now"),
          fact: t("waiting", { count: waiting }),
          reason: t("oldest", { age: formatDuration(locale, oldest * 1000) }),
        },
        {
          label: t("needsYou"),
          fact: dead > 0 ? alarm(t("dead", { count: dead })) : fine(t("noneDead")),
          reason: dead > 0 ? t("deadReason") : t("deadNone"),
        },
        {
          label: t("pausesHead"),
          fact:
            circuits.holds.length > 0
              ? alarm(t("pauses", { count: circuits.holds.length }))
              : fine(t("noPause")),
          reason: open > 0 ? t("circuitsOpen", { count: open }) : t("circuitsClosed"),
        },
      ]}
    />
  );
}

function TopicsTable({ topics }: { topics: readonly TopicState[] }) {
  const t = useStrings(operatorStrings);
  const locale = useLocale();
  const count = (value: number) => (value === 0 ? "–" : formatNumber(locale, value));
  return (
    <Table label={t("topics")}>
      <thead>
        <tr>
          <Th>{t("topic")}</Th>
          <Th>{t("consumer")}</Th>
          <Th right>{t("depth")}</Th>
          <Th right>{t("filled")}</Th>
          <Th right>{t("lag")}</Th>
          <Th right>{t("pending")}</Th>
          <Th right>{t("oldestHead")}</Th>
          <Th right>{t("deadLetters")}</Th>
          <Th right>{t("poison")}</Th>
        </tr>
      </thead>
      <tbody>
        {topics.map((each) => (
          <Tr key={`${each.topic} ${each.consumer}`}>
            <Td className="font-mono text-sm">{each.topic}</Td>
            <Td className="text-fg-2">{each.consumer}</Td>
            <Td right>{count(each.depth)}</Td>
            <Td right className="text-fg-2">
              {formatPercent(locale, each.depth / each.bound)}
            </Td>
            <Td right>{count(each.lag)}</Td>
            <Td right>{count(each.pending)}</Td>
            <Td right className="text-fg-2">
              {each.pending > 0 ? formatDuration(locale, each.oldest_pending_seconds * 1000) : "–"}
            </Td>
            <Td right className={each.dead > 0 ? "font-medium text-bad" : undefined}>
              {count(each.dead)}
            </Td>
            <Td right className={each.poison > 0 ? "font-medium text-bad" : undefined}>
              {count(each.poison)}
            </Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}

export function Health() {
  const t = useStrings(operatorStrings);
  const tCommon = useStrings(commonStrings);
  const locale = useLocale();
  const { data, error, reload } = useHealth();
  if (!data) {
    return error ? (
      <ErrorState error={error} onRetry={() => void reload()} />
    ) : (
      <TableSkeleton label={tCommon("loading")} />
    );
  }
  return (
    <>
      <HealthAnswers topics={data.topics} circuits={data} />
      <TopicsTable topics={data.topics} />
      <div className="grid items-start gap-4 wide:grid-cols-2">
        <Card>
          <CardHead title={t("circuits")}>
            <span className="text-fg-3 text-sm">{t("circuitsAbout")}</span>
          </CardHead>
          <ul className="divide-y divide-line">
            {data.circuits.map((each) => (
              <li key={each.target} className="flex h-9 items-center justify-between px-4">
                <span className="font-mono text-sm">{each.target}</span>
                <Badge tone={CIRCUIT_TONES[each.state]}>{t(each.state)}</Badge>
              </li>
            ))}
          </ul>
        </Card>
        <Card>
          <CardHead title={t("holds")} />
          {data.holds.length === 0 ? <p className="p-4 text-fg-2">{t("noHolds")}</p> : null}
          <ul className="divide-y divide-line">
            {data.holds.map((each) => (
              <li key={each.task_type} className="flex flex-wrap items-center gap-2 px-4 py-2">
                <span className="font-mono text-sm">{each.task_type}</span>
                <span className="ml-auto text-fg-2 text-sm">
                  {t(each.reason === "flag" ? "reasonFlag" : "reasonCircuit")}
                  {each.until ? `, ${t("until", { date: formatMoment(locale, each.until) })}` : ""}
                </span>
              </li>
            ))}
          </ul>
        </Card>
      </div>
    </>
  );
}
