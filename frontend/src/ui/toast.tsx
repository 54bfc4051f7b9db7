"use client";

import { X } from "lucide-react";
import { Toast as Radix } from "radix-ui";
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { Button } from "./button";

export type ToastMessage = {
  title: string;
  detail?: ReactNode;
  tone?: "plain" | "bad";
  action?: { label: string; run: () => void };
};

const Context = createContext<(message: ToastMessage) => void>(() => undefined);

/** Returns the function that shows a toast. Use one only for what no row or field can show. */
export function useToast(): (message: ToastMessage) => void {
  return useContext(Context);
}

export function ToastProvider({ children }: { children: ReactNode }) {
  const t = useStrings(commonStrings);
  const [shown, setShown] = useState<(ToastMessage & { id: number })[]>([]);
  const show = useCallback((message: ToastMessage) => {
    setShown((before) => [...before.slice(-2), { ...message, id: (before.at(-1)?.id ?? 0) + 1 }]);
  }, []);
  const remove = useCallback(
    (id: number) => setShown((before) => before.filter((each) => each.id !== id)),
    [],
  );
  const label = useMemo(() => t("notifications"), [t]);
  return (
    <Context.Provider value={show}>
      <Radix.Provider label={label} duration={6000}>
        {children}
        {shown.map((toast) => (
          <Radix.Root
            key={toast.id}
            type={toast.tone === "bad" ? "foreground" : "background"}
            onOpenChange={(open) => {
              if (!open) remove(toast.id);
            }}
            className="flex items-start gap-3 rounded-lg border border-line-strong bg-float p-3 pl-4 shadow-2 data-[tone=bad]:border-bad-line"
            data-tone={toast.tone}
          >
            <div className="min-w-0 flex-1">
              <Radix.Title className="font-medium">{toast.title}</Radix.Title>
              {toast.detail ? (
                <Radix.Description className="text-fg-2 text-sm">{toast.detail}</Radix.Description>
              ) : null}
            </div>
            {toast.action ? (
              <Radix.Action asChild altText={toast.action.label}>
                <Button size="small" onClick={toast.action.run}>
                  {toast.action.label}
                </Button>
              </Radix.Action>
            ) : null}
            <Radix.Close asChild>
              <Button look="ghost" size="small" square aria-label={t("close")}>
                <X aria-hidden />
              </Button>
            </Radix.Close>
          </Radix.Root>
        ))}
        <Radix.Viewport className="fixed right-4 bottom-20 z-60 flex w-[min(380px,calc(100vw-32px))] flex-col gap-2 tablet:bottom-12" />
      </Radix.Provider>
    </Context.Provider>
  );
}
