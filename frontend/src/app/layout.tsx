import type { Metadata, Viewport } from "next";
import { cookies, headers } from "next/headers";
import type { ReactNode } from "react";
import { readLocale } from "@/lib/i18n/server";
import { readTheme } from "@/lib/theme";
import "./globals.css";
import { Providers } from "./providers";

export const metadata: Metadata = {
  title: { default: "micro-saas", template: "%s · micro-saas" },
  robots: { index: false, follow: false },
};

export const viewport: Viewport = { width: "device-width", initialScale: 1 };

export default async function RootLayout({ children }: { children: ReactNode }) {
  const [head, jar] = await Promise.all([headers(), cookies()]);
  const locale = await readLocale();
  const theme = readTheme(jar.get("theme")?.value);
  return (
    <html lang={locale} data-theme={theme} suppressHydrationWarning>
      <body>
        <Providers locale={locale} theme={theme} nonce={head.get("x-nonce") ?? ""}>
          {children}
        </Providers>
      </body>
    </html>
  );
}
