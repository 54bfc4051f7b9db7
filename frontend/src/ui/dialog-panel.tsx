"use client";

import clsx from "clsx";
import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { Button } from "./button";

const WIDTHS = { small: "max-w-[420px]", normal: "max-w-[560px]", large: "max-w-[880px]" };

export type DialogProps = {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  description?: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
  width?: keyof typeof WIDTHS;
};

/** Loaded when a dialog is opened for the first time. */
export default function DialogPanel({
  open,
  onOpenChange,
  title,
  description,
  children,
  actions,
  width = "normal",
}: DialogProps) {
  const t = useStrings(commonStrings);
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-sunken/70" />
        <Radix.Content
          {...(description ? {} : { "aria-describedby": undefined })}
          className={clsx(
            "fixed inset-x-3 bottom-3 z-50 mx-auto flex max-h-[calc(100dvh-24px)] flex-col rounded-xl border border-line-strong bg-float shadow-2 tablet:top-[12vh] tablet:bottom-auto tablet:max-h-[76vh]",
            WIDTHS[width],
          )}
        >
          <header className="flex items-start gap-3 px-5 pt-4 pb-3">
            <div className="min-w-0 flex-1">
              <Radix.Title className="font-semibold text-lg">{title}</Radix.Title>
              {description ? (
                <Radix.Description className="mt-1 text-fg-2">{description}</Radix.Description>
              ) : null}
            </div>
            <Radix.Close asChild>
              <Button look="ghost" size="small" square aria-label={t("close")}>
                <X aria-hidden />
              </Button>
            </Radix.Close>
          </header>
          {children ? <div className="min-h-0 overflow-y-auto px-5 pb-4">{children}</div> : null}
          {actions ? (
            <footer className="flex flex-wrap justify-end gap-2 border-line border-t px-5 py-3">
              {actions}
            </footer>
          ) : null}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
