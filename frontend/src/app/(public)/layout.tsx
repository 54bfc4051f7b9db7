import type { ReactNode } from "react";
import { serverStrings } from "@/lib/i18n/server";
import { authStrings } from "@/lib/i18n/strings/auth";
import { Mark } from "@/ui/mark";

export default async function PublicLayout({ children }: { children: ReactNode }) {
  const t = await serverStrings(authStrings);
  return (
    <main className="grid min-h-dvh place-items-center px-4 py-10">
      <div className="w-full max-w-[380px]">
        <p className="mb-6 flex items-center gap-2.5 font-semibold text-lg tracking-[-0.011em]">
          <Mark className="!size-7" />
          micro-saas
        </p>
        <div className="rounded-xl border border-line bg-surface p-6 shadow-1">{children}</div>
        <p className="mt-5 text-fg-3 text-sm">{t("promise")}</p>
      </div>
    </main>
  );
}
