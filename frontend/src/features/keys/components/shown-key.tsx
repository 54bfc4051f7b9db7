"use client";

import { useConfig } from "@/lib/auth/provider";
import { useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { keyStrings } from "@/lib/i18n/strings/keys";
import { Button } from "@/ui/button";
import { CodeWell } from "@/ui/code";
import { CopyButton } from "@/ui/copy-button";
import { Dialog } from "@/ui/dialog";
import { firstRequest, type NewKey } from "../model";

/** Shows a key once. It is held in memory only while this dialog is open. */
export function ShownKey({ created, onClose }: { created: NewKey | null; onClose: () => void }) {
  const t = useStrings(keyStrings);
  const tCommon = useStrings(commonStrings);
  const { apiUrl } = useConfig();
  return (
    <Dialog
      open={created !== null}
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
      title={t("shownTitle")}
      description={t("shownAbout")}
      actions={
        <Button look="primary" onClick={onClose}>
          {t("done")}
        </Button>
      }
    >
      {created ? (
        <div className="grid gap-4">
          <div className="flex items-center gap-2 rounded-md border border-line-control bg-sunken py-2 pr-2 pl-3">
            <code className="min-w-0 flex-1 break-all font-mono text-sm" data-testid="new-key">
              {created.key}
            </code>
            <CopyButton text={created.key} label={tCommon("copy")} />
          </div>
          <div>
            <h3 className="mb-2 text-sm">{t("firstRequest")}</h3>
            <CodeWell text={firstRequest(apiUrl)} label={t("example")} />
          </div>
        </div>
      ) : null}
    </Dialog>
  );
}
