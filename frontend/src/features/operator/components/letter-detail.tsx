"use client";

import { useStrings } from "@/lib/i18n/provider";
import { operatorStrings } from "@/lib/i18n/strings/operator";
import { useResource } from "@/lib/resource";
import { CodeWell } from "@/ui/code";
import { Dialog } from "@/ui/dialog";
import { InlineError } from "@/ui/inline-error";
import { Bone } from "@/ui/skeleton";
import { type Letter, readLetter } from "../queries";

function Body({ id }: { id: string }) {
  const t = useStrings(operatorStrings);
  const { data, error } = useResource(`ops:letter:${id}`, () => readLetter(id));
  if (error) return <InlineError error={error} />;
  if (!data) return <Bone className="!h-24" />;
  return <CodeWell text={JSON.stringify(data.body, null, 2)} label={t("details")} />;
}

export function LetterDetail({ letter, onClose }: { letter: Letter | null; onClose: () => void }) {
  const t = useStrings(operatorStrings);
  return (
    <Dialog
      open={letter !== null}
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
      width="large"
      title={letter?.name ?? ""}
      description={letter?.error}
    >
      {letter ? (
        <section aria-label={t("details")}>
          <Body id={letter.id} />
        </section>
      ) : null}
    </Dialog>
  );
}
