"use client";

import { CircleAlert } from "lucide-react";
import { ApiError } from "@/lib/api/problems";
import { useStrings } from "@/lib/i18n/provider";
import { errorStrings } from "@/lib/i18n/strings/errors";
import { Reference } from "./error-state";

/** A refusal inside a form or a dialog, beside the button that caused it. */
export function InlineError({ error }: { error: unknown }) {
  const t = useStrings(errorStrings);
  if (!error) return null;
  const problem = error instanceof ApiError ? error.problem : null;
  const reference = error instanceof ApiError ? error.correlationId : null;
  return (
    <div
      role="alert"
      className="flex gap-2 rounded-md border border-bad-line bg-bad-tint px-3 py-2"
    >
      <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
      <div className="min-w-0">
        <p className="font-medium">{problem?.title ?? t("unreachableTitle")}</p>
        <p className="text-fg-2 text-sm">
          {problem
            ? `${problem.human_readable_cause} ${problem.suggested_action}`
            : t("unreachableCause")}
        </p>
        {reference ? <Reference id={reference} /> : null}
      </div>
    </div>
  );
}
