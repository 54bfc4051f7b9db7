"use client";

import clsx from "clsx";
import { useState } from "react";
import { useUser } from "@/lib/auth/provider";
import { useStrings } from "@/lib/i18n/provider";
import { Input } from "@/ui/field";
import type { TaskType } from "../catalogue";
import { formStrings } from "../form-strings";

interface TypePickerProps {
  readonly types: readonly TaskType[];
  readonly chosen: string | undefined;
  readonly onChoose: (taskType: string) => void;
}

const SEARCH_FROM = 12;

/** The task types. One that the plan does not include says which plan does. */
export function TypePicker({ types, chosen, onChoose }: TypePickerProps) {
  const t = useStrings(formStrings);
  const { plan } = useUser();
  const [wanted, setWanted] = useState("");
  const words = wanted.toLowerCase();
  const shown = types.filter((type) =>
    `${type.task_type} ${type.summary}`.toLowerCase().includes(words),
  );
  return (
    <fieldset className="grid content-start gap-1">
      <legend className="mb-2 font-semibold">{t("what")}</legend>
      {types.length >= SEARCH_FROM ? (
        <Input
          value={wanted}
          aria-label={t("searchTypes")}
          placeholder={t("searchTypes")}
          onChange={(event) => setWanted(event.target.value)}
        />
      ) : null}
      {shown.map((type) => {
        const isAllowed = type.plans.includes(plan);
        const isChosen = type.task_type === chosen;
        return (
          <label
            key={type.task_type}
            className={clsx(
              "grid cursor-pointer gap-0.5 rounded-md border px-3 py-2 has-focus-visible:shadow-(--ring)",
              isChosen ? "border-accent-line bg-accent-tint" : "border-transparent hover:bg-raised",
              !isAllowed && "cursor-not-allowed",
            )}
          >
            <input
              type="radio"
              name="task-type"
              className="sr-only"
              checked={isChosen}
              disabled={!isAllowed}
              onChange={() => onChoose(type.task_type)}
            />
            <span className="flex items-center gap-2">
              <code className={clsx("font-mono text-sm", !isAllowed && "text-fg-3")}>
                {type.task_type}
              </code>
              <span className="ml-auto text-fg-3 text-xs">
                {isAllowed
                  ? type.billable
                    ? ""
                    : t("free")
                  : t("needsPlan", { plans: type.plans.join(", ") })}
              </span>
            </span>
            <span className={clsx("line-clamp-2 text-sm", isChosen ? "text-fg-2" : "text-fg-3")}>
              {type.summary}
            </span>
          </label>
        );
      })}
    </fieldset>
  );
}
