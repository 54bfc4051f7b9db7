import type { Locale } from "./strings";

/** The choice is a cookie, so that the server renders the right language. */
export function rememberLocale(locale: Locale): void {
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not in every browser
  document.cookie = `locale=${locale}; path=/; max-age=31536000; samesite=lax`;
}
