"use client";

import { createContext, type ReactNode, useContext, useMemo } from "react";
import { type Locale, type Table, type Translate, translator } from "./strings";

const Context = createContext<Locale>("en");

export function LocaleProvider({ locale, children }: { locale: Locale; children: ReactNode }) {
  return <Context.Provider value={locale}>{children}</Context.Provider>;
}

export function useLocale(): Locale {
  return useContext(Context);
}

export function useStrings<T extends Table>(table: T): Translate<T> {
  const locale = useLocale();
  return useMemo(() => translator(locale, table), [locale, table]);
}
