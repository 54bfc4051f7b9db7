"use client";

import clsx from "clsx";
import { X } from "lucide-react";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useState } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { Button } from "./button";

export type ToastMessage = {
  title: string;
  detail?: ReactNode;
  tone?: "plain" | "bad";
  action?: { label: string; run: () => void };
};

type Shown = ToastMessage & { id: number };

const SHOWN_MS = 6_000;
const MOST = 3;

const Context = createContext<(message: ToastMessage) => void>(() => undefined);

/** Returns the function that shows a toast. Use one only for what no row or field can show. */
export function useToast(): (message: ToastMessage) => void {
  return useContext(Context);
}

export function ToastProvider({ children }: { children: ReactNode }) {
  const t = useStrings(commonStrings);
  const [shown, setShown] = useState<readonly Shown[]>([]);
  const show = useCallback((message: ToastMessage) => {
    setShown((before) => [
      ...before.slice(1 - MOST),
      { ...message, id: (before.at(-1)?.id ?? 0) + 1 },
    ]);
  }, []);
  const remove = useCallback(
    (id: number) => setShown((before) => before.filter((each) => each.id !== id)),
    [],
  );
  return (
    <Context.Provider value={show}>
      {children}
      {/* The region is there before its messages, so that they are read out. */}
      <div
        role="status"
        aria-label={t("notifications")}
        className="fixed right-4 bottom-20 z-60 flex w-[min(380px,calc(100vw-32px))] flex-col gap-2 empty:hidden tablet:bottom-12"
      >
        {shown.map((toast) => (
          <ToastCard key={toast.id} toast={toast} onClose={remove} />
        ))}
      </div>
    </Context.Provider>
  );
}

/** Goes away by itself, but not while it is pointed at or has the focus. */
function ToastCard({ toast, onClose }: { toast: Shown; onClose: (id: number) => void }) {
  const t = useStrings(commonStrings);
  const [isHeld, setHeld] = useState(false);
  const close = useCallback(() => onClose(toast.id), [onClose, toast.id]);
  useEffect(() => {
    if (isHeld) return;
    const timer = setTimeout(close, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [isHeld, close]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: only the time that it stays depends on it
    <div
      role={toast.tone === "bad" ? "alert" : undefined}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
      className={clsx(
        "flex items-start gap-3 rounded-lg border bg-float p-3 pl-4 shadow-2",
        toast.tone === "bad" ? "border-bad-line" : "border-line-strong",
      )}
    >
      <div className="min-w-0 flex-1">
        <p className="font-medium">{toast.title}</p>
        {toast.detail ? <div className="text-fg-2 text-sm">{toast.detail}</div> : null}
      </div>
      {toast.action ? (
        <Button
          size="small"
          onClick={() => {
            toast.action?.run();
            close();
          }}
        >
          {toast.action.label}
        </Button>
      ) : null}
      <Button look="ghost" size="small" square aria-label={t("close")} onClick={close}>
        <X aria-hidden />
      </Button>
    </div>
  );
}
