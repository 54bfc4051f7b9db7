"use client";

import { Fragment, useSyncExternalStore } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { shellStrings } from "@/lib/i18n/strings/shell";
import {
  BINDINGS,
  type BindingGroup,
  type BindingId,
  bindingStrings,
  printedKeys,
} from "@/lib/keyboard/bindings";
import { isMac, singleKeysAreOn, useActiveKeys } from "@/lib/keyboard/use-keys";
import { Dialog } from "@/ui/dialog";
import { Kbd } from "@/ui/kbd";

const never = () => () => undefined;

export function KeyNames({ id }: { id: BindingId }) {
  const t = useStrings(shellStrings);
  const mac = useSyncExternalStore(never, isMac, () => false);
  const sequence = BINDINGS[id].keys.includes(" ");
  return (
    <span className="inline-flex items-center gap-1">
      {printedKeys(id, { mac }).map((key, index) => (
        <Fragment key={key}>
          {index > 0 && sequence ? <span className="text-fg-3 text-xs">{t("thenKey")}</span> : null}
          <Kbd>{key}</Kbd>
        </Fragment>
      ))}
    </span>
  );
}

const HINTED: readonly BindingId[] = [
  "next",
  "previous",
  "select",
  "open",
  "back",
  "approve",
  "copyId",
  "commands",
  "help",
];

/** The line at the foot of the page: the keys that do something here. */
export function KeyFooter() {
  const t = useStrings(bindingStrings);
  const active = useActiveKeys();
  return (
    <footer className="sticky bottom-0 z-10 flex h-[34px] items-center gap-4 overflow-hidden whitespace-nowrap border-line border-t bg-bg px-6 text-fg-3 text-xs max-tablet:hidden">
      {HINTED.filter((id) => active.includes(id)).map((id) => (
        <span key={id} className="inline-flex items-center gap-1">
          <KeyNames id={id} /> {t(id)}
        </span>
      ))}
      <span className="ml-auto">UTC</span>
    </footer>
  );
}

const GROUPS: readonly [BindingGroup, "keysAnywhere" | "keysList" | "keysJob"][] = [
  ["anywhere", "keysAnywhere"],
  ["list", "keysList"],
  ["job", "keysJob"],
];

/** The sheet under `?`: exactly the keys that are bound on this page. */
export function KeySheet({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  const t = useStrings(shellStrings);
  const tKey = useStrings(bindingStrings);
  const active = useActiveKeys();
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title={t("keysTitle")}
      description={singleKeysAreOn() ? undefined : t("keysOff")}
    >
      <div className="grid gap-5 tablet:grid-cols-2">
        {GROUPS.map(([group, label]) => {
          const ids = active.filter((id) => BINDINGS[id].group === group);
          return ids.length === 0 ? null : (
            <section key={group}>
              <h3 className="mb-2 text-fg-2 text-sm">{t(label)}</h3>
              <dl className="grid gap-1.5">
                {ids.map((id) => (
                  <div key={id} className="flex items-center justify-between gap-4">
                    <dt>{tKey(id)}</dt>
                    <dd>
                      <KeyNames id={id} />
                    </dd>
                  </div>
                ))}
              </dl>
            </section>
          );
        })}
      </div>
    </Dialog>
  );
}
