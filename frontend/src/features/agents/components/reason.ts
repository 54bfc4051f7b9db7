"use client";

import { useStrings } from "@/lib/i18n/provider";
import { nameReason, reasonStrings } from "../reasons";

export function useReason(): (reason: string | null) => string {
  const t = useStrings(reasonStrings);
  return (reason) => {
    if (reason === null) return "";
    const name = nameReason(reason);
    return name ? t(name) : reason;
  };
}
