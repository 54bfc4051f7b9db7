"use client";

import { setNonce } from "get-nonce";
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from "react";
import { LocaleProvider } from "@/lib/i18n/provider";
import type { Locale } from "@/lib/i18n/strings";
import { rememberTheme, type Theme } from "@/lib/theme";
import { ToastProvider } from "@/ui/toast";

const ThemeContext = createContext<{ theme: Theme; setTheme: (theme: Theme) => void }>({
  theme: "dark",
  setTheme: () => undefined,
});

export function useTheme() {
  return useContext(ThemeContext);
}

type ProvidersProps = { locale: Locale; theme: Theme; nonce: string; children: ReactNode };

export function Providers({ locale, theme: first, nonce, children }: ProvidersProps) {
  // A soft navigation renders the layout with a new nonce while the document keeps its first one.
  useState(() => setNonce(nonce));
  const [theme, setChosen] = useState(first);
  const setTheme = useCallback((next: Theme) => {
    rememberTheme(next);
    setChosen(next);
  }, []);
  const value = useMemo(() => ({ theme, setTheme }), [theme, setTheme]);
  return (
    <LocaleProvider locale={locale}>
      <ThemeContext.Provider value={value}>
        <ToastProvider>{children}</ToastProvider>
      </ThemeContext.Provider>
    </LocaleProvider>
  );
}
