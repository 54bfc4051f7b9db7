"use client";

import type { ReactNode } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { useAction } from "@/lib/use-action";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { InlineError } from "./inline-error";

/** Asks before something that cannot be undone, and stays open when it is refused. */
export function Confirm({
  open,
  onClose,
  title,
  about,
  action,
  run,
  danger = true,
  children,
}: {
  open: boolean;
  onClose: () => void;
  title: string;
  about?: string;
  action: string;
  run: () => Promise<void>;
  danger?: boolean;
  children?: ReactNode;
}) {
  const t = useStrings(commonStrings);
  const { act, busy, error, clear } = useAction(async () => {
    await run();
    onClose();
  });
  return (
    <Dialog
      open={open}
      onOpenChange={(next) => {
        if (!next) {
          clear();
          onClose();
        }
      }}
      width="small"
      title={title}
      description={about}
      actions={
        <>
          <Button onClick={onClose}>{t("cancel")}</Button>
          <Button look={danger ? "danger" : "primary"} busy={busy} onClick={() => void act()}>
            {action}
          </Button>
        </>
      }
    >
      {children || error ? (
        <div className="grid gap-3">
          {children}
          <InlineError error={error} />
        </div>
      ) : null}
    </Dialog>
  );
}
