"use client";

import { useStrings } from "@/lib/i18n/provider";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { jobStrings } from "../strings";

interface CancelDialogProps {
  readonly open: boolean;
  readonly count: number;
  readonly onOpenChange: (open: boolean) => void;
  readonly onCancel: () => void;
}

export function CancelDialog({ open, count, onOpenChange, onCancel }: CancelDialogProps) {
  const t = useStrings(jobStrings);
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      width="small"
      title={t("cancelTitle", { count })}
      description={t("cancelCause")}
      actions={
        <>
          <Button onClick={() => onOpenChange(false)}>{t("keep")}</Button>
          <Button look="danger" onClick={onCancel}>
            {t("cancel")}
          </Button>
        </>
      }
    />
  );
}
